"""Relax one limit alone: how far it has to move until there is a plan, or a better one. By exact re-solves.

The best objective is monotone in each single limit, so a bisection finds the place; a plan found on the way reaches
a value of the limited quantity of its own, to which the bisection jumps, so that it ends on a value of a plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any

import numpy as np

from ipa.evaluation import Evaluation, Limit, quantities
from ipa.options import TOLERANCE, Problem
from ipa.policy import auto
from ipa.policy.auto import any_plan

# Two values of a quantity this close (relative above 1) are not told apart; ten times what a limit tolerates.
RESOLUTION = 10 * TOLERANCE


@dataclass(frozen=True, slots=True)
class Reached:
    """The limited quantity as `evaluation` has it: as a bound it is just met."""

    to: float
    evaluation: Evaluation


def least_relaxation(problem: Problem, limit: Limit, above: float = -inf) -> Reached | None:
    """The value nearest to its bound at which `limit`, moved alone, lets the best objective exceed `above`.

    The bound in force must not do so itself. None if no value of this limit does.
    """

    def better(to: float) -> Reached | None:
        relaxed = moved(problem, limit, to)
        best = any_plan(relaxed) if above == -inf else auto.solve(relaxed).evaluation
        if best is None or not is_better(best.objective, above):
            return None
        return Reached(value_of(problem, limit, best), best)

    inwards = 1 if limit.floor else -1
    enough, too_little = better(-inwards * inf), limit.bound
    while enough is not None:
        nearer = better(enough.to + inwards * RESOLUTION * max(1.0, abs(enough.to)))
        if nearer is None:
            return enough
        middle = (too_little + nearer.to) / 2
        enough = better(middle)
        if enough is None:
            enough, too_little = nearer, middle
    return None


def is_better(objective: float, than: float) -> bool:
    """By more than two equal objectives differ: contract, ties."""
    return objective - than > TOLERANCE * max(1.0, abs(objective))


def value_of(problem: Problem, limit: Limit, evaluation: Evaluation) -> float:
    """The limited quantity, as a plan for this problem has it."""
    return float(quantities(problem, np.array(evaluation.choice)[:, None])[limit.name][0])


def moved(problem: Problem, limit: Limit, to: float) -> Problem:
    """The same problem with one bound at `to`; without that limit if `to` is infinite."""
    if limit.name == "latency":
        return replace(problem, slo_s=to)
    hardware = limit.name.removeprefix("capacity.")
    if hardware != limit.name:
        return replace(problem, capacity={**problem.capacity, hardware: (to, problem.capacity[hardware][1])})
    bound: dict[str, Any] = {limit.name: to if isfinite(to) else None}
    return replace(problem, limits=replace(problem.limits, **bound))
