"""Who can be put into the simulated world: the loop with a policy, and what people run instead of it.

auto, inferline, fa2-low …   the loop of `ipa adapt` with that policy
static-mean, static-peak     the best plan for the trace's mean rate or for its busiest second, never changed
hpa, kpa                     that start plan (mean) under an autoscaler, see autoscalers
oracle                       the loop with `auto`, told the busiest of the coming seconds
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipa.control import Loop
from ipa.domain import Config, Plan
from ipa.errors import UsageError
from ipa.options import PriceList, price_list
from ipa.policy import NAMES as CHOOSING
from ipa.policy import Policy, policy_of
from ipa.policy.fixed import diagnose_for, seen_by
from ipa.policy.inferline import chooser_of
from ipa.policy.overload import serve_most
from ipa.policy.solution import TIME_LIMIT_S
from ipa.simulation import autoscalers
from ipa.simulation.autoscalers import AUTOSCALERS
from ipa.simulation.world import World
from ipa.tuner import tuner_of

STATIC = ("static-mean", "static-peak")
ORACLE = "oracle"
NAMES = (*CHOOSING, *STATIC, *AUTOSCALERS, ORACLE)


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a trace, in requests per second: its first seconds, its mean, its busiest second."""

    first_rps: float
    mean_rps: float
    peak_rps: float


@dataclass(frozen=True, slots=True)
class Rival:
    """`config` as it runs under; `start` is the plan at time 0; `loop` puts it in control of a world."""

    name: str
    config: Config
    start: Plan
    loop: Callable[[World], Loop] | None

    @property
    def watches(self) -> bool:
        return self.name in AUTOSCALERS


def check_names(names: Sequence[str], config: Config) -> None:
    """Raises UsageError for the first that is no rival, or a baseline for which the config fixes nothing."""
    for name in names:
        if name not in NAMES:
            raise UsageError(f"--policy {name!r} is not known: one of {', '.join(NAMES)}")
        _policy(name, config)


def rival(name: str, config: Config, rates: Rates) -> Rival | str:
    """The rival called `name`, or why it has no plan to start with. Raises UsageError for an unknown name."""
    check_names([name], config)
    policy = _policy(name, config)
    if name in STATIC or name in AUTOSCALERS:
        rate_rps = rates.peak_rps if name == "static-peak" else rates.mean_rps
    else:
        rate_rps = rates.first_rps
    prices = price_list(config.pipeline)
    start = best_plan(prices, policy, rate_rps)
    if start is None:
        return diagnose_for(name, prices.at(rate_rps)).reason
    if name in STATIC:
        return Rival(name, config, start, None)
    if name in AUTOSCALERS:
        ruled = replace(config, control=replace(config.control, certify=False, tuner="off", **_damping(name)))
        return Rival(name, ruled, start, partial(_scaled, name, ruled, start))
    if name == ORACLE:
        knows = replace(config.forecast, predictor=ORACLE, margin=0.0, quantile=None, model=None)
        told = replace(config, forecast=knows)
        return Rival(name, told, start, partial(_controlled, "auto", told, policy))
    return Rival(name, config, start, partial(_controlled, name, config, policy))


def _policy(name: str, config: Config) -> Policy:
    """Its own, or the one that chooses its start plan."""
    return policy_of(name if name in CHOOSING else "auto", config, _limit_s(config))


def best_plan(prices: PriceList, policy: Policy, rate_rps: float) -> Plan | None:
    """The policy's plan, where it has none the one that serves the most; None where there is none at any rate."""
    solution = policy(prices.at(rate_rps))
    if solution.evaluation is not None:
        return solution.evaluation.plan
    most = serve_most(prices, rate_rps, policy)
    return None if most is None or most.solution.evaluation is None else most.solution.evaluation.plan


def _damping(name: str) -> dict[str, float]:
    rule = autoscalers.control_of(name)
    return {"interval_s": rule.interval_s, "hold_s": rule.hold_s, "min_gain": rule.min_gain}


def _controlled(name: str, config: Config, policy: Policy, world: World) -> Loop:
    seen = partial(seen_by, name)
    monitor = _Prophet(world, config.forecast.horizon_s) if config.forecast.predictor == ORACLE else world
    certify = chooser_of(name, config, policy, _limit_s(config))
    tuner = tuner_of(config)
    return Loop(
        config, policy, world, monitor, world, world.apply, seen=seen, certify=certify, tuner=tuner, traffic=world
    )


def _limit_s(config: Config) -> float:
    return min(TIME_LIMIT_S, config.control.interval_s / 2)


def _scaled(name: str, config: Config, start: Plan, world: World) -> Loop:
    scaler = autoscalers.start(name, start, config.pipeline.limits.replicas, config.router.in_flight)
    return _controlled("auto", config, autoscalers.policy(scaler, world.samples), world)


@dataclass(frozen=True, slots=True)
class _Prophet:
    """A monitor that tells what will come, not what came."""

    world: World
    horizon_s: float

    def arrivals(self, window_s: float) -> tuple[int, ...]:  # noqa: ARG002 (the past is of no interest)
        return self.world.coming(self.horizon_s)
