"""The default: label setting where it is exact at once, the integer program for the rest."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

from ipa.evaluation import Evaluation
from ipa.options import Problem
from ipa.policy import label, milp
from ipa.policy.feasible import settle
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
    best = found.evaluation if found else None
    if best is None:  # the integer program proves that there is no plan far more slowly
        settled = settle(problem)
        if settled is not None and settled.plan is None:
            return Solution(None, "no feasible plan", "label", "infeasible", None)
        best = settled.plan if settled else None
    left_s = max(0.0, time_limit_s - (perf_counter() - began_s))
    answered = milp.solve(problem, left_s, best.choice if best else None)
    return _tightened(answered, found)


def any_plan(problem: Problem) -> Evaluation | None:
    """A plan that keeps all limits, none in particular; None if there is none."""
    settled = settle(problem)
    return solve(problem).evaluation if settled is None else settled.plan


def _tightened(answered: Solution, found: Solution | None) -> Solution:
    """The integer program's answer, with the tighter of both bounds."""
    if found is None or found.bound is None or answered.evaluation is None or answered.bound is None:
        return answered
    bound = min(found.bound, answered.bound)
    return replace(answered, bound=bound, gap=relative_gap(answered.evaluation.objective, bound))
