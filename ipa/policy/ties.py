"""The promised choice among plans that are equally good: one rule for every policy that promises it."""

from __future__ import annotations

import numpy as np

from ipa.evaluation import Evaluation, evaluate, limits_of, quantities
from ipa.options import TOLERANCE, Ints, Problem


def pick(problem: Problem, choices: Ints) -> Evaluation | None:
    """The best feasible column of `choices` (stages, N), an option index a stage; None if no column is feasible.

    Among objectives within 1e-9 of the best: fewer cores, then smaller Σ batch, then names in stage order.
    """
    if choices.shape[1] == 1:
        only = evaluate(problem, choices[:, 0].tolist())
        return only if only.feasible else None
    numbers = quantities(problem, choices)
    feasible = np.all([limit.holds(numbers[limit.name]) for limit in limits_of(problem)], axis=0)
    if not feasible.any():
        return None
    best = numbers["objective"][feasible].max()
    ties = np.flatnonzero(feasible & (numbers["objective"] >= best - TOLERANCE))
    for name in ("cores", "batches"):
        values = numbers[name][ties]
        ties = ties[values == values.min()]
    winner = min(ties, key=lambda i: _names(problem, choices[:, i]))
    return evaluate(problem, choices[:, winner].tolist())


def _names(problem: Problem, choice: Ints) -> list[tuple[str, str, int]]:
    return [stage.allocation(int(k)).server for stage, k in zip(problem.stages, choice, strict=True)]
