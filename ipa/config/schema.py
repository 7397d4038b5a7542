"""The shape of a config: every key of the contract, its type, its default and its rule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ipa.durations import parse_duration_s
from ipa.errors import ConfigError, Violation

Duration = Annotated[float, BeforeValidator(parse_duration_s), Field(ge=0)]
PositiveDuration = Annotated[float, BeforeValidator(parse_duration_s), Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
# Names become file names, URLs and metric labels.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SloSpec(Spec):
    latency: PositiveDuration
    percentile: Annotated[float, Field(gt=0, lt=100)] = 99.0
    drop_after: PositiveDuration | None = None


class ObjectiveSpec(Spec):
    accuracy: NonNegative = 1.0
    cost: NonNegative = 1.0
    batch: NonNegative = 1e-6
    score: Literal["product", "sum", "mean", "rank-sum", "rank-product"] = "product"
    unit: Literal["cores", "money"] = "cores"


class LimitsSpec(Spec):
    cores: NonNegative | None = None
    cost_per_hour: NonNegative | None = None
    accuracy: Fraction | None = None
    score: NonNegative | None = None
    replicas: Annotated[int, Field(ge=1)] | None = None
    utilisation: Annotated[float, Field(gt=0, le=1)] = 1.0


class LatencySpec(Spec):
    model: str = "table"
    percentile: Literal["mean", 50, 95, 99] = 99
    margin: Annotated[float, Field(gt=-1)] = 0.0
    throughput_margin: Annotated[float, Field(gt=-1)] = 0.0


class AllocationSpec(Spec):
    mode: Literal["profiled", "base"] = "profiled"
    threshold: Positive = 4.0


class HardwareSpec(Spec):
    price_per_core_hour: NonNegative = 0.0
    price_per_hour: NonNegative = 0.0
    capacity: NonNegative | None = None


class BranchSpec(Spec):
    output: str
    equals: Any


class StageSpec(Spec):
    name: Name
    variants: Annotated[list[Name], Field(min_length=1)] | None = None
    hardware: Annotated[list[Name], Field(min_length=1)] | None = None
    after: list[Name] | None = None
    visits: Positive = 1.0
    when: BranchSpec | None = None


class FixedSpec(Spec):
    variant: Name | None = None
    hardware: Name | None = None
    cores: Annotated[int, Field(ge=1)] | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    replicas: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


def _fixed(value: object) -> object:
    """`yolov5n` is a variant, `3` a number of replicas."""
    if isinstance(value, str):
        return {"variant": value}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"replicas": value}
    if not isinstance(value, dict) or not value:
        keys = ", ".join(FixedSpec.model_fields)
        raise ValueError(f"{value!r} should be a variant, a number of replicas, or a mapping with any of {keys}")
    return value


# Their programs are in adapters.serving.runtimes, above this room.
RUNTIMES = ("onnx", "sleep")


class ServingSpec(Spec):
    runtime: str = "onnx"
    models: str | None = None


class RouterSpec(Spec):
    batching: Literal["greedy", "full"] = "greedy"
    batch_wait: Duration = 1.0
    queue_limit: Annotated[int, Field(ge=1)] = 10_000
    in_flight: Annotated[int, Field(ge=1)] = 1


class ForecastSpec(Spec):
    predictor: str = "ewma"
    window: PositiveDuration = 120.0
    horizon: PositiveDuration = 20.0
    margin: Annotated[float, Field(gt=-1)] = 0.0
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    model: str | None = None


class ControlSpec(Spec):
    interval: PositiveDuration = 10.0
    hold: Duration = 30.0
    min_gain: NonNegative = 0.0
    surge_cores: NonNegative | None = None
    certify: bool = False
    tuner: Literal["off", "ratio", "literal"] = "off"
    tuner_interval: PositiveDuration = 1.0


class MonitorSpec(Spec):
    kind: Literal["router", "prometheus"] = "router"
    url: str | None = None
    query: str | None = None


class ClusterSpec(Spec):
    kind: Literal["local", "kubernetes"] = "local"
    namespace: str | None = None
    images: dict[str, str] | None = None


class LoadSpec(Spec):
    payload: str | None = None


class PipelineSpec(Spec):
    name: Name
    slo: SloSpec
    profiles: str
    stages: Annotated[list[StageSpec], Field(min_length=1)]
    objective: ObjectiveSpec = ObjectiveSpec()
    limits: LimitsSpec = LimitsSpec()
    batches: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    latency: LatencySpec = LatencySpec()
    allocation: AllocationSpec = AllocationSpec()
    hardware: dict[Name, HardwareSpec] = {}
    policies: dict[str, dict[str, Annotated[FixedSpec, BeforeValidator(_fixed)]]] = {}
    serving: ServingSpec = ServingSpec()
    router: RouterSpec = RouterSpec()
    forecast: ForecastSpec = ForecastSpec()
    control: ControlSpec = ControlSpec()
    monitor: MonitorSpec = MonitorSpec()
    cluster: ClusterSpec = ClusterSpec()
    load: LoadSpec = LoadSpec()


def validate(document: Any, source: str) -> PipelineSpec:
    """The document against the schema. Raises ConfigError with every problem."""
    if not isinstance(document, dict):
        raise ConfigError(source, [Violation("document", "a config is a mapping of keys to values, see README")])
    try:
        return PipelineSpec.model_validate(document)
    except ValidationError as error:
        raise ConfigError(source, violations(error)) from error


def violations(error: ValidationError, prefix: str = "") -> list[Violation]:
    """pydantic's findings as ours: path, offending value, rule."""
    return [Violation(prefix + _path(e["loc"]), _rule(e)) for e in error.errors()]


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _rule(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "is required and missing"
        case "value_error":
            return str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
        case "too_short":
            return "must not be empty"
        case _:
            rule = error["msg"].removeprefix("Input ").removeprefix("String ").replace("valid ", "")
            return f"{error['input']!r} {rule}"
