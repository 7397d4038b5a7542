"""What is run, as values: a case names everything that is varied; its config follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ipa.adapters.files import load_config
from ipa.domain import Config, Fixed, Stage

ROOT = Path(__file__).parent.parent.parent
PIPELINES = ("video", "audio-qa", "audio-sent", "sum-qa", "nlp")
SYSTEMS = ("auto", "fa2-low", "fa2-high", "rim")
ORACLE = "oracle"
PREDICTORS = ("last", "max", "mean", "ar", "ewma", ORACLE)
# Nobody measured how long the paper's variants take to start: one control interval is assumed. Stages change one after
# another, so a change of two takes effect at the end of the horizon of 20 s.
START_S = 10.0

# What the paper's runs changed for steady loads: the accuracy weight, and the replicas that RIM keeps.
STEADY = ("steady-low", "steady-high")
STEADY_ACCURACY_WEIGHT: Mapping[str, float] = {"audio-qa": 10, "nlp": 40}
RIM_AT_STEADY_LOW: Mapping[str, Mapping[str, int]] = {
    "audio-qa": {"audio": 20, "qa": 5},
    "audio-sent": {"audio": 20, "sentiment": 5},
}


@dataclass(frozen=True, slots=True)
class Case:
    """`system`: a policy. `predictor`: one of forecast.predictor, or the oracle, which knows the future.

    `start_s`: from a replica's start to its first request, for variants whose profile does not say. `weights`: α and β,
    by default the config's; the factors multiply them.
    """

    pipeline: str
    workload: str
    system: str = "auto"
    predictor: str = "ewma"
    start_s: float = START_S
    score: str = "product"
    weights: tuple[float, float] | None = None
    accuracy_factor: float = 1.0
    cost_factor: float = 1.0

    @property
    def rival(self) -> str:
        """What the simulator calls it."""
        return ORACLE if self.predictor == ORACLE else self.system


def read_config(pipeline: str) -> Config:
    return load_config(ROOT / "configs" / f"{pipeline}.yaml")


def configured(config: Config, case: Case) -> Config:
    """The pipeline's config, as the paper ran it at this load, with what the case varies."""
    pipeline = config.pipeline
    alpha, beta = case.weights or (pipeline.objective.accuracy_weight, pipeline.objective.cost_weight)
    if case.weights is None and case.workload in STEADY:
        alpha = STEADY_ACCURACY_WEIGHT.get(case.pipeline, alpha)
    objective = replace(
        pipeline.objective,
        accuracy_weight=alpha * case.accuracy_factor,
        cost_weight=beta * case.cost_factor,
        score=case.score,
    )
    policies = dict(pipeline.policies)
    if case.workload == "steady-low" and case.pipeline in RIM_AT_STEADY_LOW:
        policies["rim"] = {s: Fixed(replicas=n) for s, n in RIM_AT_STEADY_LOW[case.pipeline].items()}
    stages = tuple(_starting(stage, case.start_s) for stage in pipeline.stages)
    predictor = config.forecast.predictor if case.predictor == ORACLE else case.predictor
    return replace(
        config,
        pipeline=replace(pipeline, objective=objective, policies=policies, stages=stages),
        forecast=replace(config.forecast, predictor=predictor),
    )


def _starting(stage: Stage, start_s: float) -> Stage:
    variants = tuple(replace(v, load_s=start_s) if v.load_s is None else v for v in stage.variants)
    return replace(stage, variants=variants)
