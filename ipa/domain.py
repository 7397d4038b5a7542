"""The nouns of ipa: frozen, typed, SI units inside (seconds, requests per second, cores). Imports nothing of ipa."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# --- what was measured -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variant:
    """One model that can do a stage's work. `accuracy` is in 0…1; `load_s` is the time from start to warm."""

    name: str
    accuracy: float
    metric: str = ""
    memory_mb: float | None = None
    load_s: float | None = None
    source: str = ""
    base_cores: int | None = None


LATENCY_COLUMNS = {
    "mean": "latency_mean_s",
    "50": "latency_p50_s",
    "95": "latency_p95_s",
    "99": "latency_p99_s",
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one replica did at one batch size: one row of measurements.csv."""

    stage: str
    variant: str
    hardware: str
    cores: int
    batch: int
    latency_mean_s: float
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None
    throughput_rps: float | None = None
    requests: int | None = None
    source: str = ""

    def latency_s(self, percentile: str) -> float | None:
        """The latency at `percentile` (mean, 50, 95 or 99); None if the profile does not hold it."""
        latency_s: float | None = getattr(self, LATENCY_COLUMNS[percentile])
        return latency_s

    @property
    def rate_rps(self) -> float:
        """h, what one replica answers per second: as measured, else batch / mean latency."""
        return self.throughput_rps if self.throughput_rps is not None else self.batch / self.latency_mean_s


# --- what is asked for -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hardware:
    """A kind of machine. `capacity` counts replicas if it is priced per hour, else cores; None is unlimited."""

    name: str
    price_per_core_hour: float = 0.0
    price_per_hour: float = 0.0
    capacity: float | None = None


@dataclass(frozen=True, slots=True)
class When:
    """A branch: taken by the requests for which the tensor `output` of a stage before equals `equals`."""

    output: str
    equals: bool | int | float


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline. `visits`: mean visits per pipeline request; `after`: the stages it waits for."""

    name: str
    variants: tuple[Variant, ...]
    hardware: tuple[str, ...]
    after: tuple[str, ...] = ()
    visits: float = 1.0
    when: When | None = None

    def variant(self, name: str) -> Variant:
        return next(v for v in self.variants if v.name == name)


@dataclass(frozen=True, slots=True)
class Slo:
    latency_s: float
    drop_after_s: float
    percentile: float = 99.0


@dataclass(frozen=True, slots=True)
class Objective:
    """Maximise accuracy_weight·score − cost_weight·cost − batch_weight·Σ batch (IPA, eq. 10)."""

    accuracy_weight: float = 1.0
    cost_weight: float = 1.0
    batch_weight: float = 1e-6
    score: str = "product"
    unit: str = "cores"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on a plan; None is no limit. `replicas` holds per stage, `utilisation` is the share of h in use."""

    cores: float | None = None
    cost_per_hour: float | None = None
    accuracy: float | None = None
    score: float | None = None
    replicas: int | None = None
    utilisation: float = 1.0


@dataclass(frozen=True, slots=True)
class LatencySettings:
    model: str = "table"
    percentile: str = "99"
    margin: float = 0.0
    throughput_margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a baseline may not choose in one stage; None leaves it free."""

    variant: str | None = None
    hardware: str | None = None
    cores: int | None = None
    batch: int | None = None
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a decision depends on, but the rate. `batches` is empty for "all profiled".

    `policies`: per baseline and stage what the config fixes.
    """

    name: str
    stages: tuple[Stage, ...]
    slo: Slo
    objective: Objective = Objective()
    limits: Limits = Limits()
    latency: LatencySettings = LatencySettings()
    hardware: Mapping[str, Hardware] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    batches: tuple[int, ...] = ()
    policies: Mapping[str, Mapping[str, Fixed]] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        return next(s for s in self.stages if s.name == name)


@dataclass(frozen=True, slots=True)
class ServingSettings:
    runtime: str = "onnx"
    models: Path | None = None


@dataclass(frozen=True, slots=True)
class RouterSettings:
    batching: str = "greedy"
    batch_wait_s: float = 1.0
    queue_limit: int = 10_000
    in_flight: int = 1


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """`quantile`: the share of loads that the forecast is to cover; None is the point forecast. `model`: the content of
    a model file, for a predictor that was trained."""

    predictor: str = "ewma"
    window_s: float = 120.0
    horizon_s: float = 20.0
    margin: float = 0.0
    quantile: float | None = None
    model: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ControlSettings:
    interval_s: float = 10.0
    hold_s: float = 30.0
    min_gain: float = 0.0
    surge_cores: float | None = None
    certify: bool = False
    tuner: str = "off"
    tuner_interval_s: float = 1.0


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """Where arrivals are read. `url`, `query` and the files are for prometheus; query None is the router's own."""

    kind: str = "router"
    url: str | None = None
    query: str | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where replicas run; all but `kind` is for kubernetes.

    `namespace` None is the context's, or the pod's inside of a cluster; `images` by what they run: model, router.
    `drift`: what becomes of changes made by hand, correct or leave. A rollout has `ready_timeout_s` to become ready,
    a router `router_switch_s` to follow a new plan.
    """

    kind: str = "local"
    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    drift: str = "correct"
    ready_timeout_s: float = 300.0
    router_switch_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Config:
    """One YAML file, read and checked: the pipeline and how it is run. `warnings` are for whoever loads it to say."""

    pipeline: Pipeline
    profiles: Path
    serving: ServingSettings = ServingSettings()
    router: RouterSettings = RouterSettings()
    forecast: ForecastSettings = ForecastSettings()
    control: ControlSettings = ControlSettings()
    monitor: MonitorSettings = MonitorSettings()
    cluster: ClusterSettings = ClusterSettings()
    payload: Path | None = None
    warnings: tuple[str, ...] = ()


# --- what is decided ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one stage runs: `replicas` servers of `variant` with `cores` cores each, in batches of `batch`."""

    stage: str
    variant: str
    hardware: str
    cores: int
    batch: int
    replicas: int

    @property
    def total_cores(self) -> int:
        return self.replicas * self.cores

    @property
    def server(self) -> tuple[str, str, int]:
        """What a replica is; allocations that differ in batch or replicas alone share their servers."""
        return self.variant, self.hardware, self.cores


@dataclass(frozen=True, slots=True)
class Plan:
    """One allocation a stage, in the order of the pipeline's stages."""

    allocations: tuple[Allocation, ...]

    def stage(self, name: str) -> Allocation:
        return next(a for a in self.allocations if a.stage == name)

    @property
    def total_cores(self) -> int:
        return sum(a.total_cores for a in self.allocations)


@dataclass(frozen=True, slots=True)
class Change:
    """What a stage runs before and after; None where it runs nothing."""

    stage: str
    before: Allocation | None
    after: Allocation | None


# --- the loop ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forecast:
    """`fallback`: what of the observations or the predictor was not as configured; empty if all was."""

    rate_rps: float
    reason: str
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Constraints:
    """What the cluster asks of a decision beyond the config.

    `cores`: no more than these find a place; None where that is not known. `barred` servers (of any batch and number)
    did not become ready lately and get no more replicas than they have. `restore` is to be applied before anything
    else is decided, and where `hold` is not "" nothing is applied at all; `why` says why.
    """

    cores: float | None = None
    barred: tuple[Allocation, ...] = ()
    restore: Plan | None = None
    hold: str = ""
    why: str = ""


UNCONSTRAINED = Constraints()


@dataclass(frozen=True, slots=True)
class Observation:
    """The world at one moment. `arrivals` counts requests in each of the last whole seconds, oldest first."""

    at_s: float
    arrivals: tuple[int, ...]
    live: Plan | None
    ready: bool
    constraints: Constraints = UNCONSTRAINED


@dataclass(frozen=True, slots=True)
class Decision:
    """`plan` is what to apply; None with the `reason` means: leave what runs."""

    plan: Plan | None
    reason: str
