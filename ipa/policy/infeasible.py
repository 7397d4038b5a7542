"""Why there is no plan: which limit stands in the way, found by exact re-solves with it relaxed alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ipa.evaluation import Limit, limits_of, quantities
from ipa.options import Problem
from ipa.policy.auto import any_plan
from ipa.policy.relaxation import least_relaxation
from ipa.rounding import rounded_down, rounded_up

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Moving `limit` alone from its bound to `to` would make the problem feasible."""

    limit: Limit
    to: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The smallest relaxation of each limit that helps alone, the limits that do not, and a sentence."""

    relaxations: tuple[Relaxation, ...]
    reason: str
    unhelpful: tuple[Limit, ...] = ()


def diagnose(problem: Problem) -> Diagnosis:
    """For an infeasible problem: what could give way, and which limits cannot be met.

    A problem that has a plan after all, which a policy did not find in its time, is said to have one.
    """
    if any_plan(problem) is not None:
        return Diagnosis((), f"no plan found at {problem.rate_rps:g} requests/s in the time given, though there is one")
    limits = limits_of(problem)
    at = f"no feasible plan at {problem.rate_rps:g} requests/s: "
    if not all(np.isfinite(stage.delay_s).any() for stage in problem.stages):
        reason = at + "at rate 0 only a batch of 1 ever fills, and a stage has none in its profile"
        return Diagnosis((), reason, limits)
    reached = [(limit, least_relaxation(problem, limit)) for limit in limits]
    relaxations = tuple(Relaxation(limit, found.to) for limit, found in reached if found is not None)
    unhelpful = tuple(limit for limit, found in reached if found is None)
    hopeless = [r for r in _best_alone(problem, limits) if not r.limit.holds(np.array(r.to))]
    return Diagnosis(relaxations, at + _reason(limits, relaxations, hopeless), unhelpful)


def _reason(limits: tuple[Limit, ...], relaxations: tuple[Relaxation, ...], hopeless: list[Relaxation]) -> str:
    if hopeless:
        return "; ".join(f"{_asked(r)} whatever the other limits" for r in hopeless)
    if relaxations:
        return "; or else ".join(map(_asked, relaxations)) + ", given the other limits"
    names = ", ".join(limit.key for limit in limits)
    return f"{names} cannot be met together, and relaxing one of them alone does not help"


def _asked(relaxation: Relaxation) -> str:
    limit, to = relaxation.limit, relaxation.to
    unit = " s" if limit.name == "latency" else ""
    best = f"the most is {rounded_down(to, DIGITS)}" if limit.floor else f"the least is {rounded_up(to, DIGITS)}"
    return f"{limit.key} {limit.bound:.{DIGITS}g}{unit} cannot be met ({best}{unit})"


def _best_alone(problem: Problem, limits: tuple[Limit, ...]) -> list[Relaxation]:
    """The best value of each limited quantity by itself: all are monotone in each stage, so the best of each stage."""
    usable = [np.flatnonzero(np.isfinite(stage.delay_s)) for stage in problem.stages]
    columns = [
        quantities(replace(problem, stages=(replace(stage, after=()),)), options[None, :])
        for stage, options in zip(problem.stages, usable, strict=True)
    ]
    best = []
    for limit in limits:
        sign = -1 if limit.floor else 1
        choice = [o[np.argmin(sign * own[limit.name])] for o, own in zip(usable, columns, strict=True)]
        best.append(Relaxation(limit, float(quantities(problem, np.array(choice)[:, None])[limit.name][0])))
    return best
