"""The default: label setting where it is exact at once, the integer program for the rest."""

from __future__ import annotations

from ipa.options import Problem
from ipa.policy import label, milp
from ipa.policy.solution import Solution


def solve(problem: Problem, most_labels: int = label.MOST_LABELS) -> Solution:
    """The best plan, proven; its `solver` says by whom. The tie-break is promised where that is label."""
    found = label.attempt(problem, most_labels)
    return milp.solve(problem) if found is None or found.gap else found
