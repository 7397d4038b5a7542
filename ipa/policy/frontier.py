"""Frontier: all that cost and accuracy can be traded for at one rate, with the knee and the objective's own choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ipa.evaluation import Evaluation, evaluate
from ipa.options import TOLERANCE, Problem
from ipa.policy import auto
from ipa.policy.staircase import Cost, cost_of, staircase

FEWEST_FOR_A_KNEE = 3


@dataclass(frozen=True, slots=True)
class Point:
    """A plan that no other beats in both cost (in the objective's unit) and accuracy."""

    plan: Evaluation
    cost: float
    knee: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Frontier:
    """The Pareto front by rising cost; `off_front` is the objective's choice where no point is as cheap and as good.

    It can lie off the front: another score than the product of the accuracies, a weight of 0, the weight of batches.
    """

    problem: Problem
    points: tuple[Point, ...]
    off_front: Evaluation | None


def frontier(problem: Problem) -> Frontier:
    """All Pareto-optimal (cost, accuracy), every limit in force; no points if there is no feasible plan."""
    cost: Cost = "cores" if problem.objective.unit == "cores" else "cost_per_hour"
    steps = staircase(problem, cost, "accuracy")
    chosen = auto.solve(problem).evaluation
    at_knee = knee([step.cost for step in steps], [step.value for step in steps])
    points: list[Point] = []
    for i, step in enumerate(steps):
        plan = evaluate(problem, step.choice)
        if chosen is not None and _same(cost, plan, chosen):
            points.append(Point(chosen, step.cost, i == at_knee, True))  # the very plan that `solve` gives
        else:
            points.append(Point(plan, step.cost, i == at_knee, False))
    off_front = chosen if not any(point.chosen for point in points) else None
    return Frontier(problem, tuple(points), off_front)


def knee(costs: Sequence[float], values: Sequence[float]) -> int | None:
    """Where the next bit of value begins to cost more than it did on average: the index of the knee, None if none.

    The point above the chord from the first to the last that is farthest from it, with both axes scaled to 0…1
    (Kneedle: Satopää, Albrecht, Irwin and Raghavan, ICDCS Workshops 2011); of equal ones the cheapest. Both sequences
    rise strictly. With fewer than 3 points, or none above the chord, there is no knee.
    """
    if len(costs) < FEWEST_FOR_A_KNEE:
        return None
    x, y = ((np.array(axis) - axis[0]) / (axis[-1] - axis[0]) for axis in (costs, values))
    above = y - x  # √2 × the distance from the chord
    best = float(above.max())
    return int(np.argmax(above >= best - TOLERANCE)) if best > TOLERANCE else None


def _same(cost: Cost, a: Evaluation, b: Evaluation) -> bool:
    """Equal in cost and accuracy, as the staircase counts equal."""
    pairs = ((cost_of(a, cost), cost_of(b, cost)), (a.accuracy, b.accuracy))
    return all(abs(x - y) <= 2 * TOLERANCE * max(1.0, abs(x)) for x, y in pairs)
