"""Staircase: for a rising cost the best value within reach; every Pareto-optimal pair of cost and value, exactly.

The ε-constraint method (Haimes, Lasdon and Wismer 1971): solve, lower the ceiling on the cost below the last plan's,
solve again until nothing is feasible. The best value never rises as the ceiling falls, so each plan is the best for
every ceiling between its cost and the last one; those that a cheaper plan equals are dropped at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ipa.domain import Objective
from ipa.evaluation import Evaluation, evaluate
from ipa.options import TOLERANCE, Problem
from ipa.policy import auto

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
    found: list[Step] = []
    ceiling = getattr(problem.limits, cost)
    while (best := _best(_below(problem, cost, ceiling), cost, value)) is not None:
        found.append(Step(cost_of(best, cost), getattr(best, value), best.choice))
        ceiling = _next_ceiling(found[-1].cost, cost)
    return _strictly_improving(found[::-1])


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
    limits = problem.limits
    if limits.score is not None and problem.objective.score != "product":
        from ipa.policy.milp import optimise

        return optimise(problem, "accuracy", maximise=True)
    return auto.solve(replace(problem, objective=Objective(1.0, 0.0, 0.0, "product"))).evaluation


def _cheapest(problem: Problem, accuracy: float) -> Evaluation | None:
    """The plan of the least money whose accuracy is at least this."""
    objective = replace(problem.objective, accuracy_weight=0.0, cost_weight=1.0, batch_weight=0.0, unit="money")
    floor = max(accuracy, problem.limits.accuracy or 0.0)
    return auto.solve(replace(problem, objective=objective, limits=replace(problem.limits, accuracy=floor))).evaluation


def _strictly_improving(rising: list[Step]) -> tuple[Step, ...]:
    kept: list[Step] = []
    for step in rising:
        if not kept or step.value > kept[-1].value + TOLERANCE:
            kept.append(step)
    return tuple(kept)
