"""What several commands do alike: a config and a rate → one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ipa.errors import IpaError, UsageError

if TYPE_CHECKING:
    from ipa.adapters.clock import StoppableClock
    from ipa.domain import Change, Config, Plan
    from ipa.options import Problem
    from ipa.policy import Solution
    from ipa.policy.inferline import Sample
    from ipa.policy.shared import Split
    from ipa.ports import Cluster, Monitor


class NoFeasiblePlanError(IpaError):
    exit_code = 3


class RolledBackError(IpaError):
    exit_code = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A pipeline, the rate to plan for, and what runs of it, to compare with and to apply to; None if it is not asked.

    `weight` is what a unit of its objective counts where several pipelines share a budget. `arrivals`: the requests in
    each second that the rate was forecast from; () if it was given.
    """

    config: Config
    rate_rps: float
    cluster: Cluster | None
    weight: float = 1.0
    arrivals: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.config.pipeline.name


def load_all(paths: Sequence[Path]) -> list[Config]:
    """The configs, each of another pipeline. Raises ConfigError or UsageError."""
    from ipa.cli.loading import load_config

    found: dict[str, Path] = {}
    configs = []
    for path in paths:
        config = load_config(path)
        name = config.pipeline.name
        if name in found:
            raise UsageError(f"{found[name]} and {path} are both called {name!r}: the names of pipelines must differ")
        found[name] = path
        configs.append(config)
    return configs


def ask(configs: Sequence[Config], rates: Sequence[str], weights: Sequence[str], *, dry_run: bool) -> list[Asked]:
    """Each pipeline with its rate, given or forecast. Raises UsageError.

    A dry run with a rate needs nothing that runs: the live plan is then empty.
    """
    from ipa.cli.signals import stopped_by_signals

    names = [config.pipeline.name for config in configs]
    rate_of, weight_of = rates_given(rates, names), weights_given(weights, names)
    asked = []
    clock = stopped_by_signals(configs)
    for config, name in zip(configs, names, strict=True):
        run = None if dry_run and name in rate_of else running_pipeline(config, clock)
        arrivals = () if run is None or name in rate_of else run[1].arrivals(config.forecast.window_s)
        rate_rps = rate_of[name] if run is None or name in rate_of else forecast_rps(config, arrivals)
        asked.append(Asked(config, rate_rps, run[0] if run else None, weight_of.get(name, 1.0), arrivals))
    return asked


def rates_given(texts: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """The rate by pipeline: `NAME=R` before `R`, which holds for every name. Raises UsageError."""
    by_name: dict[str, float] = {}
    for text in texts:
        name, rate_rps = _named("--rate", text, names, "a number of requests per second")
        if not 0 <= rate_rps < inf:
            raise UsageError(f"--rate {text!r}: a rate is a finite number of requests per second, at least 0")
        by_name[name] = rate_rps
    return dict.fromkeys(names, by_name[""]) | by_name if "" in by_name else by_name


def weights_given(texts: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """The weights by pipeline, of `NAME=W`. Raises UsageError."""
    by_name: dict[str, float] = {}
    for text in texts:
        name, weight = _named("--weight", text, names, "a weight")
        if not name:
            raise UsageError(f"--weight {text!r}: it is for one pipeline, write NAME=W")
        if not 0 < weight < inf:
            raise UsageError(f"--weight {text!r}: a weight is a finite number above 0")
        by_name[name] = weight
    return by_name


def each_once(option: str, text: str) -> list[str]:
    """`a,b` → the words. Raises UsageError for an empty one and for one that comes twice."""
    words = [word.strip() for word in text.split(",")]
    for at, word in enumerate(words):
        if not word:
            raise UsageError(f"{option} {text!r}: an entry between commas is empty")
        if word in words[:at]:
            raise UsageError(f"{option} {text!r}: {word!r} is named twice")
    return words


def _named(option: str, text: str, names: Sequence[str], what: str) -> tuple[str, float]:
    """`NAME=X` or `X` → a known name or "", and the number. Raises UsageError."""
    name, separator, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {number!r} is not {what}") from error
    if separator and name not in names:
        raise UsageError(f"{option} {text!r}: no pipeline is called {name!r}, only {', '.join(map(repr, names))}")
    return name, value


def cores_given(cores: float | None) -> float | None:
    """Raises UsageError unless the budget is finite and at least 0."""
    if cores is not None and not 0 <= cores < inf:
        raise UsageError(f"--cores {cores:g}: a budget is a finite number of cores, at least 0")
    return cores


def within(config: Config, cores: float | None) -> Config:
    """The config whose plans take no more than `cores`, if given, nor than its own limit."""
    if cores is None:
        return config
    limits = config.pipeline.limits
    least = cores if limits.cores is None else min(cores, limits.cores)
    return replace(config, pipeline=replace(config.pipeline, limits=replace(limits, cores=least)))


def split_for(asked: Sequence[Asked], cores: float | None, policy: str) -> Split:
    """The best split of a budget, or each pipeline by the policy without one; timed as a whole. Raises UsageError."""
    from time import perf_counter

    from ipa.options import price
    from ipa.policy import DEFAULT
    from ipa.policy.shared import Demand, apart, share

    if cores is not None and policy != DEFAULT:
        raise UsageError(f"--policy {policy}: several pipelines share --cores by the policy {DEFAULT} only")
    started_s = perf_counter()
    demands = [Demand(price(a.config.pipeline, a.rate_rps), a.weight) for a in asked]
    split = apart(demands, policy) if cores is None else share(demands, cores)
    seconds = perf_counter() - started_s
    timed = [replace(s, solution=replace(s.solution, seconds=seconds)) for s in split.shares]
    return replace(split, shares=tuple(timed))


def difference(asked: Asked, plan: Plan | None) -> tuple[Change, ...]:
    """What would change in what runs; without a plan nothing."""
    from ipa.diff import changes

    live = asked.cluster.live() if asked.cluster else None
    return changes(live, plan) if plan else ()


def apply_all(plans: Sequence[tuple[Asked, Plan]]) -> None:
    """Apply each plan once, those that free cores before those that take them. Raises ServingError, or RolledBackError,
    at the first that is not applied, naming those that were."""
    from ipa.errors import ServingError

    applied: list[str] = []
    for asked, plan in sorted(plans, key=_growth_cores):
        assert asked.cluster is not None
        outcome = asked.cluster.apply(plan)
        if not outcome.applied:
            before = f" (applied before it: {', '.join(applied)})" if applied else ""
            failure = RolledBackError if outcome.rolled_back else ServingError
            raise failure(f"{asked.name}: the plan was not applied: {outcome.detail}{before}")
        applied.append(asked.name)


def _growth_cores(planned: tuple[Asked, Plan]) -> int:
    asked, plan = planned
    live = asked.cluster.live() if asked.cluster else None
    return plan.total_cores - (live.total_cores if live else 0)


def solve_for(
    config: Config,
    rate_rps: float,
    policy: str,
    time_limit_s: float | None = None,
    cv: float | None = None,
    sample: Sample | None = None,
) -> tuple[Problem, Solution]:
    """Price and choose, timed; `time_limit_s` None is the policy's own.

    With a `cv` the plan is certified for arrivals that vary so much. Raises UsageError where it cannot be. `sample`:
    what a policy that simulates plans on; None is Poisson arrivals.
    """
    from time import perf_counter

    from ipa.cli.choosing import chooser
    from ipa.options import price

    choose = chooser(config, policy, time_limit_s, cv, sample)
    started_s = perf_counter()
    problem = price(config.pipeline, rate_rps)
    solution = choose(problem)
    return problem, replace(solution, seconds=perf_counter() - started_s)


def plan_for(config: Config, rate_rps: float, policy: str = "auto") -> Plan:
    """The plan for a rate. Raises NoFeasiblePlanError with the limits that cannot be met."""
    from ipa.policy.fixed import diagnose_for

    problem, solution = solve_for(config, rate_rps, policy)
    if solution.evaluation is None:
        raise NoFeasiblePlanError(diagnose_for(policy, problem).reason)
    return solution.evaluation.plan


def running_pipeline(config: Config, clock: StoppableClock) -> tuple[Cluster, Monitor]:
    """The pipeline where it runs, to look at and to change; `clock` ends a change. Raises UsageError if none runs."""
    from ipa.adapters.clusters import CLUSTERS

    return CLUSTERS[config.cluster.kind].attach(config, clock)


def refuse_oracle(config: Config) -> None:
    """Raises UsageError for a predictor that only a simulation can have."""
    if config.forecast.predictor == "oracle":
        name = config.pipeline.name
        raise UsageError(f"{name}: forecast.predictor oracle knows what will come: it is for ipa simulate alone")


def forecast_rps(config: Config, arrivals: Sequence[int]) -> float:
    """The forecast from what the router counted, a number a second. Raises Unavailable in its first second."""
    from ipa.errors import Unavailable
    from ipa.forecast.calibration import Calibration
    from ipa.forecast.forecaster import forecaster

    refuse_oracle(config)
    settings = config.forecast
    predicted, _ = forecaster(settings).forecast(arrivals, settings.horizon_s, 0.0, Calibration())
    if predicted is None:
        raise Unavailable("the router has not counted a whole second yet: try again, or give --rate")
    return predicted.rate_rps
