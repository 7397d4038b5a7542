"""Is there any plan at all? Asked as optima, which are far easier to prove than infeasibility.

To prove that no plan keeps every limit, a search has no incumbent and so no bound to prune by. So one limit that an
objective can express is lifted instead, and of the plans that keep others the one with the best value of the lifted
quantity is looked for: it keeps all limits, or it breaks the lifted one and then every plan does. Which limit makes
this easy depends on which of them are in conflict; label setting knows soon where it is in trouble, so try them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ipa.domain import Objective
from ipa.evaluation import Evaluation, evaluate
from ipa.options import Problem
from ipa.policy import label


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan that keeps all limits, none in particular; None: there is none."""

    plan: Evaluation | None


def settle(problem: Problem) -> Settled | None:
    """Whether there is a plan, as far as labels can tell; None where they cannot."""
    if not all(len(stage) for stage in problem.stages):
        return Settled(None)
    for goal, eased in _questions(problem):
        found = label.attempt(eased)
        if found is None:  # too many labels
            continue
        if found.evaluation is None:
            return Settled(None)
        judged = evaluate(problem, found.evaluation.choice)  # the best, or the best so far if there is a gap
        if judged.feasible:
            return Settled(judged)
        if goal in judged.broken and not found.gap:
            return Settled(None)
    return None


def _questions(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Each goal with its own limit lifted, which settles it, then with those of all goals lifted, which may."""
    goals = _goals(problem)
    for goal, objective in goals.items():
        # The score's limit means the score of the objective, which the goal replaces.
        yield goal, _without(problem, {goal, "score"} if goal == "accuracy" else {goal}, objective)
    if len(goals) > 1:
        for goal, objective in goals.items():
            yield goal, _without(problem, set(goals), objective)


def _without(problem: Problem, lifted: set[str], objective: Objective) -> Problem:
    none: dict[str, Any] = dict.fromkeys(lifted)
    return replace(problem, objective=objective, limits=replace(problem.limits, **none))


def _goals(problem: Problem) -> dict[str, Objective]:
    """The limits in force that an objective can express, and these objectives; the cores if there are none."""
    score = problem.objective.score
    goals = {
        "cores": Objective(0.0, 1.0, 0.0, score, "cores"),
        "accuracy": Objective(1.0, 0.0, 0.0, "product", "cores"),
        "score": Objective(1.0, 0.0, 0.0, score, "cores"),
        "cost_per_hour": Objective(0.0, 1.0, 0.0, score, "money"),
    }
    in_force = {name: goal for name, goal in goals.items() if getattr(problem.limits, name) is not None}
    return in_force or {"cores": goals["cores"]}
