"""Every combination at once in NumPy: the oracle of the other policies, for small problems."""

from __future__ import annotations

from math import prod

import numpy as np

from ipa.errors import UsageError
from ipa.evaluation import evaluate, limits_of, quantities
from ipa.options import TOLERANCE, Problem
from ipa.policy.solution import Solution

LARGEST = 4_000_000


def solve(problem: Problem) -> Solution:
    """The best of all plans; of those within 1e-9 the one with fewer cores, smaller batches, earlier names."""
    sizes = [len(stage) for stage in problem.stages]
    if prod(sizes) > LARGEST:
        raise UsageError(f"policy exhaustive: {prod(sizes):,} combinations; it takes {LARGEST:,} at most: use milp")
    choices = np.indices(sizes).reshape(len(sizes), -1)
    numbers = quantities(problem, choices)
    feasible = np.all([limit.holds(numbers[limit.name]) for limit in limits_of(problem)], axis=0)
    if not feasible.any():
        return Solution(None, "no feasible plan", "exhaustive", "infeasible", None)
    best = numbers["objective"][feasible].max()
    ties = np.flatnonzero(feasible & (numbers["objective"] >= best - TOLERANCE))
    winner = min(ties, key=lambda i: (numbers["cores"][i], numbers["batches"][i], _names(problem, choices[:, i])))
    evaluation = evaluate(problem, [int(k) for k in choices[:, winner]])
    return Solution(evaluation, "best of all combinations", "exhaustive", "optimal", 0.0)


def _names(problem: Problem, choice: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[tuple[str, str, int]]:
    return [stage.allocation(int(k)).server for stage, k in zip(problem.stages, choice, strict=True)]
