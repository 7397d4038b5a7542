"""The default: label setting where it is exact at once, the integer program for the rest."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

from ipa.options import Problem
from ipa.policy import label, milp
from ipa.policy.solution import TIME_LIMIT_S, Solution, relative_gap

WIDER = 4
WIDER_TAKES = 8  # times as long as before: labels are compared in pairs, up to a point
LABELS_SHARE = 0.5  # of the time limit; the integer program gets the rest


def solve(problem: Problem, time_limit_s: float = TIME_LIMIT_S, most_labels: int = label.MOST_LABELS) -> Solution:
    """The best plan, proven; at the time limit the best so far with the gap that is left. `solver` says by whom.

    The tie-break is promised where that is label. Without a limit on time the integer program has no end either.
    """
    began_s = perf_counter()
    found = label.attempt(problem, most_labels)
    if found is not None and found.gap and WIDER_TAKES * (perf_counter() - began_s) < LABELS_SHARE * time_limit_s:
        found = label.attempt(problem, WIDER * most_labels)
    if found is not None and not found.gap:
        return found
    return _handed_over(problem, found, max(0.0, time_limit_s - (perf_counter() - began_s)))


def _handed_over(problem: Problem, found: Solution | None, time_limit_s: float) -> Solution:
    """The integer program's answer, begun with the plan that labels found; the tighter of both bounds holds."""
    start = found.evaluation.choice if found and found.evaluation else None
    answered = milp.solve(problem, time_limit_s, start)
    if found is None or answered.evaluation is None or not answered.gap:
        return answered
    bound = min(b for b in (found.bound, answered.bound) if b is not None)
    return replace(answered, bound=bound, gap=relative_gap(answered.evaluation.objective, bound))
