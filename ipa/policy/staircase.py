"""Staircase: for a rising cost the best value within reach; every Pareto-optimal pair of cost and value, exactly.

One pass of label setting finds them all where few labels do. Elsewhere the ε-constraint method (Haimes, Lasdon and
Wismer 1971): solve, lower the ceiling on the cost below the last plan, solve again until nothing is feasible. The best
value never rises as the ceiling falls, so each plan is the best for every ceiling between its cost and the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ipa.domain import Objective
from ipa.evaluation import Evaluation, evaluate, limits_of, quantities
from ipa.options import TOLERANCE, Problem
from ipa.policy import auto
from ipa.policy.label_front import front

Cost = Literal["cores", "cost_per_hour"]
Value = Literal["accuracy", "objective"]


@dataclass(frozen=True, slots=True)
class Step:
    """No plan that costs at most `cost` has a better value; `choice` holds an option index a stage."""

    cost: float
    value: float
    choice: tuple[int, ...]


def staircase(problem: Problem, cost: Cost, value: Value) -> tuple[Step, ...]:
    """All Pareto-optimal (cost, value) of the feasible plans, by rising cost; () if there is none.

    Every limit of the problem holds. `cost` is in cores or in money per hour; `value` is the plan's accuracy (the
    product of the raw ones, 0…1) or its objective. Values, and money, that differ by at most 1e-9 count as equal.
    """
    steps = _at_once(problem, cost, value)
    return _strictly_improving(_one_by_one(problem, cost, value) if steps is None else steps)


def _at_once(problem: Problem, cost: Cost, value: Value) -> list[Step] | None:
    """Steps by rising cost, of equal cost the best last; None where labels would be too many."""
    choices = front(_priced_by(problem, value), cost) if _is_score(problem, value) else None
    if choices is None:
        return None
    numbers = quantities(problem, choices)
    feasible = np.all([limit.holds(numbers[limit.name]) for limit in limits_of(problem)], axis=0)
    order = np.lexsort((numbers["batches"], numbers["cores"], -numbers[value], numbers[cost]))
    return [
        Step(float(numbers[cost][i]), float(numbers[value][i]), tuple(choices[:, i].tolist()))
        for i in order[feasible[order]].tolist()
    ]


def _one_by_one(problem: Problem, cost: Cost, value: Value) -> list[Step]:
    found: list[Step] = []
    ceiling = getattr(problem.limits, cost)
    while (best := _best(_below(problem, cost, ceiling), cost, value)) is not None:
        found.append(Step(cost_of(best, cost), getattr(best, value), best.choice))
        ceiling = _next_ceiling(found[-1].cost, cost)
    return found[::-1]


def cost_of(plan: Evaluation, cost: Cost) -> float:
    return plan.cost_cores if cost == "cores" else plan.cost_per_hour


def _next_ceiling(spent: float, cost: Cost) -> float:
    """The largest ceiling that a plan of the same cost breaks: cores are whole, limits hold with a tolerance."""
    return spent - 1 if cost == "cores" else spent - 2 * TOLERANCE * max(1.0, spent)


def _below(problem: Problem, cost: Cost, ceiling: float | None) -> Problem:
    limits = problem.limits
    bounded = replace(limits, cores=ceiling) if cost == "cores" else replace(limits, cost_per_hour=ceiling)
    return replace(problem, limits=bounded)


def _best(problem: Problem, cost: Cost, value: Value) -> Evaluation | None:
    """The feasible plan of the best value, judged by the problem's own objective; ties are broken by fewer cores."""
    if value == "objective":
        return auto.solve(problem).evaluation
    most = _most_accurate(problem)
    if most is not None and cost == "cost_per_hour":  # money breaks no tie, so ask for the least of it
        most = _cheapest(problem, most.accuracy) or most
    return most and evaluate(problem, most.choice)


def _most_accurate(problem: Problem) -> Evaluation | None:
    """The accuracy is the score of kind `product`; a floor on another kind of score only the program can keep."""
    if not _is_score(problem, "accuracy"):
        from ipa.policy.milp import optimise

        return optimise(problem, "accuracy", maximise=True)
    return auto.solve(_priced_by(problem, "accuracy")).evaluation


def _is_score(problem: Problem, value: Value) -> bool:
    """Whether an objective can ask for the value: not for the accuracy beside a floor on another kind of score."""
    return value == "objective" or problem.limits.score is None or problem.objective.score == "product"


def _priced_by(problem: Problem, value: Value) -> Problem:
    """The problem whose objective is the value."""
    return problem if value == "objective" else replace(problem, objective=Objective(1.0, 0.0, 0.0, "product"))


def _cheapest(problem: Problem, accuracy: float) -> Evaluation | None:
    """The plan of the least money whose accuracy is at least this."""
    objective = replace(problem.objective, accuracy_weight=0.0, cost_weight=1.0, batch_weight=0.0, unit="money")
    floor = max(accuracy, problem.limits.accuracy or 0.0)
    return auto.solve(replace(problem, objective=objective, limits=replace(problem.limits, accuracy=floor))).evaluation


def _strictly_improving(rising: list[Step]) -> tuple[Step, ...]:
    kept: list[Step] = []
    for step in rising:
        if kept and step.value <= kept[-1].value + TOLERANCE:
            continue
        if kept and step.cost <= kept[-1].cost + TOLERANCE * max(1.0, step.cost):
            kept.pop()  # the same cost, added up in another order
        kept.append(step)
    return tuple(kept)
