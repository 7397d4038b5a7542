"""What people run today instead of ipa: a fixed plan of which a reactive rule changes the replicas.

Variant, hardware, cores and batch stay those of the plan it starts with. Each stage has an autoscaler of its own that
sees only its stage. What they want together may not fit: see policy.headroom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from ipa.domain import Allocation, ControlSettings, Plan
from ipa.errors import UsageError
from ipa.evaluation import evaluate_live
from ipa.options import Problem
from ipa.policy import Policy, Solution
from ipa.policy.headroom import fitting
from ipa.simulation import hpa, kpa
from ipa.simulation.load import Load


class Scaler(Protocol):
    """One stage's rule as a value: how many replicas it wants, and what it is after one more sample."""

    @property
    def wanted(self) -> int: ...

    def after(self, load: Load) -> Scaler: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """An autoscaler of the registry. `start` takes the time, a stage's allocation, in_flight and the most replicas."""

    start: Callable[[float, Allocation, int, int | None], Scaler]
    interval_s: float


AUTOSCALERS: dict[str, Rule] = {
    "hpa": Rule(lambda at_s, a, _, most: hpa.start(at_s, a.replicas, most), hpa.SYNC_S),
    "kpa": Rule(lambda at_s, a, flying, most: kpa.start(at_s, a.replicas, a.batch * flying, most), kpa.TICK_S),
}

Samples = Sequence[Sequence[Load]]
"""For each stage its samples since they were last asked for, oldest first."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """All stages' autoscalers, and the plan that their last wishes came to."""

    name: str
    plan: Plan
    scalers: tuple[Scaler, ...]

    @property
    def wanted(self) -> tuple[int, ...]:
        return tuple(scaler.wanted for scaler in self.scalers)

    def after(self, samples: Samples, problem: Problem) -> Autoscaler:
        """What is wanted after these samples, cut to what the problem's limits have room for."""
        scalers = tuple(_after(own, scaler) for own, scaler in zip(samples, self.scalers, strict=True))
        seen = replace(self, scalers=scalers)
        return replace(seen, plan=fitting(problem, self.plan, seen.wanted))


def _after(samples: Sequence[Load], scaler: Scaler) -> Scaler:
    for load in samples:
        scaler = scaler.after(load)
    return scaler


def start(name: str, plan: Plan, most: int | None = None, in_flight: int = 1, at_s: float = 0.0) -> Autoscaler:
    """The autoscaler called `name` on a plan that runs since `at_s`; `most` is limits.replicas.

    Raises UsageError for a name that is not in the registry.
    """
    rule = _rule(name)
    return Autoscaler(name, plan, tuple(rule.start(at_s, a, in_flight, most) for a in plan.allocations))


def _rule(name: str) -> Rule:
    if name not in AUTOSCALERS:
        raise UsageError(f"autoscaler {name!r} is not known: one of {', '.join(AUTOSCALERS)}")
    return AUTOSCALERS[name]


def control_of(name: str) -> ControlSettings:
    """Under which the loop does what the rule says, when it says it: the rule's own windows are its only damping."""
    return ControlSettings(interval_s=_rule(name).interval_s, hold_s=0.0, min_gain=-inf)


def policy(autoscaler: Autoscaler, observe: Callable[[], Samples]) -> Policy:
    """The autoscaler as a policy of the loop: it looks at the samples, never at the prices.

    Its plan is evaluated at the problem's rate and answered whether or not the model says that it can serve. Raises
    UsageError where the plan holds an option that the problem does not have.
    """
    now = autoscaler

    def solve(problem: Problem) -> Solution:
        nonlocal now
        now = now.after(observe(), problem)
        evaluation = evaluate_live(problem, now.plan)
        if evaluation is None:
            raise UsageError(f"policy {now.name}: its plan holds an option that pipeline {problem.pipeline} lacks")
        return Solution(evaluation, _reason(now), now.name, "rule", None)

    return solve


def _reason(now: Autoscaler) -> str:
    fit = tuple(a.replicas for a in now.plan.allocations)
    asked = f"{now.name} wants {_counts(now.wanted)} replicas"
    return asked if fit == now.wanted else f"{asked}, {_counts(fit)} fit the limits"


def _counts(replicas: Sequence[int]) -> str:
    return " + ".join(str(n) for n in replicas)
