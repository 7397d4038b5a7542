"""Why there is no plan: which limit stands in the way, found by exact re-solves without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from ipa.domain import Limits
from ipa.evaluation import Limit, limits_of, quantities
from ipa.options import Problem
from ipa.policy.milp import optimise


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Moving `limit` alone from its bound to `to` would make the problem feasible."""

    limit: Limit
    to: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The smallest relaxation of each limit alone (none for a limit that does not help alone), and a sentence."""

    relaxations: tuple[Relaxation, ...]
    reason: str


def diagnose(problem: Problem) -> Diagnosis:
    """For an infeasible problem: what could give way, and which limits cannot be met."""
    limits = limits_of(problem)
    relaxations = _reached(problem, limits, others=limits)
    alone = _reached(problem, limits, others=())
    hopeless = [r for r in alone if not r.limit.holds(np.array(r.to))]
    at = f"no feasible plan at {problem.rate_rps:g} requests/s: "
    if len(alone) < len(limits):  # a stage has no usable option, whatever the limits
        return Diagnosis((), at + "at rate 0 only a batch of 1 ever fills, and a stage has none in its profile")
    if hopeless:
        return Diagnosis(relaxations, at + "; ".join(f"{_asked(r)} whatever the other limits" for r in hopeless))
    if relaxations:
        return Diagnosis(relaxations, at + "; or else ".join(map(_asked, relaxations)) + ", given the other limits")
    names = ", ".join(limit.key for limit in limits)
    return Diagnosis((), at + f"{names} cannot be met together, and relaxing one of them alone does not help")


def _asked(relaxation: Relaxation) -> str:
    limit = relaxation.limit
    best = "most" if limit.floor else "least"
    return f"{limit.key} {limit.bound:.6g} cannot be met (the {best} is {relaxation.to:.6g})"


def _reached(problem: Problem, limits: Sequence[Limit], others: Sequence[Limit]) -> tuple[Relaxation, ...]:
    """For each limit the best value of its quantity while all of `others` but itself hold."""
    reached = []
    for limit in limits:
        relaxed = _with_only(problem, {o.name for o in others} - {limit.name})
        best = optimise(relaxed, limit.name, maximise=limit.floor)
        if best is not None:
            value = quantities(relaxed, np.array(best.choice)[:, None])[limit.name][0]
            reached.append(Relaxation(limit, float(value)))
    return tuple(reached)


def _with_only(problem: Problem, names: set[str]) -> Problem:
    limits = {
        name: getattr(problem.limits, name) if name in names else None
        for name in ("cores", "cost_per_hour", "accuracy", "score", "replicas")
    }
    capacity = {
        hardware: (bound if f"capacity.{hardware}" in names else inf, counts)
        for hardware, (bound, counts) in problem.capacity.items()
    }
    return replace(
        problem,
        limits=Limits(**limits, utilisation=problem.limits.utilisation),
        slo_s=problem.slo_s if "latency" in names else inf,
        capacity=capacity,
    )
