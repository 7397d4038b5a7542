"""Every combination at once in NumPy: the oracle of the other policies, for small problems."""

from __future__ import annotations

from math import prod

import numpy as np

from ipa.errors import UsageError
from ipa.options import Problem
from ipa.policy.solution import Solution
from ipa.policy.ties import pick

LARGEST = 4_000_000


def solve(problem: Problem) -> Solution:
    """The best of all plans; of those within 1e-9 the one with fewer cores, smaller batches, earlier names."""
    sizes = [len(stage) for stage in problem.stages]
    if prod(sizes) > LARGEST:
        raise UsageError(f"policy exhaustive: {prod(sizes):,} combinations; it takes {LARGEST:,} at most: use milp")
    best = pick(problem, np.indices(sizes).reshape(len(sizes), -1))
    if best is None:
        return Solution(None, "no feasible plan", "exhaustive", "infeasible", None)
    return Solution(best, "best of all combinations", "exhaustive", "optimal", 0.0)
