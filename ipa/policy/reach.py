"""How far one limit could be drawn in: the best value of what it bounds, whatever the objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ipa.evaluation import Limit, limits_of, quantities
from ipa.options import Ints, Problem
from ipa.policy import auto, label
from ipa.policy.resources import tabulate


def reach(problem: Problem, limit: Limit) -> float | None:
    """The least (a floor's most) of what `limit` bounds within the limits of the problem; None if nothing is feasible.

    Exact, by label setting; by the integer program where labels are too many or the quantity is no sum.
    """
    if limit.name == "replicas":
        return _fewest_replicas(problem)
    table = tabulate(problem, goal=limit)
    found = None if table is None else label.search(table, label.MOST_LABELS)
    if found is not None and found.exact:
        if found.choices.size:
            values = _values(problem, limit, found.choices)
            if values.size:
                return float(values.max() if limit.floor else values.min())
        elif not limit.floor:
            return None
    return _by_program(problem, limit)  # also where −log of an accuracy of 0 left no option


def _values(problem: Problem, limit: Limit, choices: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = quantities(problem, choices)
    feasible = np.all([other.holds(numbers[other.name]) for other in limits_of(problem)], axis=0)
    return np.asarray(numbers[limit.name][feasible])


def _fewest_replicas(problem: Problem) -> float | None:
    """Feasibility is monotone in this limit, so bisect over the numbers of replicas that occur."""
    counts = np.unique(np.concatenate([stage.replicas for stage in problem.stages]))
    low, high = 0, len(counts)
    while low < high:
        middle = (low + high) // 2
        at_most = replace(problem, limits=replace(problem.limits, replicas=int(counts[middle])))
        low, high = (low, middle) if auto.solve(at_most).evaluation else (middle + 1, high)
    return float(counts[low]) if low < len(counts) else None


def _by_program(problem: Problem, limit: Limit) -> float | None:
    from ipa.policy.milp import optimise

    best = optimise(problem, limit.name, maximise=limit.floor)
    return None if best is None else float(quantities(problem, np.array(best.choice)[:, None])[limit.name][0])
