"""The largest rate within the limits, and for an overload the plan that carries it.

n replicas carry n·u·h/visits requests/s, so between two of those rates, the steps, no replica count changes. Within
such an interval q = (b − 1)/λ only falls with the rate: its end is feasible if any rate in it is, so the largest
feasible rate is a step. Feasibility is not monotone in the rate, since q makes a batch too slow at a low rate. But
the replicas of an interval's first step with the q of its last bound every rate between them: where that has no plan,
none of them has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, sqrt

import numpy as np

from ipa.evaluation import Evaluation
from ipa.options import TOLERANCE, Floats, PriceList, Problem
from ipa.policy import auto, exhaustive, label, milp
from ipa.policy.auto import any_plan
from ipa.policy.solution import Solution

MOST_RPS = 1e12
"""What carries so many requests/s has no bound: no limit counts the replicas."""
EXACT = (auto.solve, label.solve, milp.solve, exhaustive.solve)
"""They agree on what is feasible, so the quickest way to know serves them all; any other policy is asked itself."""


@dataclass(frozen=True, slots=True)
class Overload:
    rate_rps: float
    solution: Solution


def serve_most(prices: PriceList, rate_rps: float, policy: Callable[[Problem], Solution]) -> Overload | None:
    """The largest rate below an infeasible `rate_rps` with a feasible plan; None if there is none at any rate."""
    exact = policy in EXACT
    most = _largest_below(prices, rate_rps, any_plan if exact else lambda problem: policy(problem).evaluation)
    return None if most is None else Overload(most, policy(prices.at(most)))


def whole(problem: Problem) -> Problem:
    """What the default policy sees of a problem."""
    return problem


def largest_rate_rps(prices: PriceList, see: Callable[[Problem], Problem] = whole) -> float:
    """The largest rate with a feasible plan, inf where nothing bounds it; 0 if there is no plan at any rate.

    `see` is the part of a problem that the plan is chosen from.
    """

    def plan_for(problem: Problem) -> Evaluation | None:
        return any_plan(see(problem))

    if plan_for(prices.at(MOST_RPS)) is not None:
        return inf
    return _largest_below(prices, MOST_RPS, plan_for) or 0.0


def _largest_below(
    prices: PriceList, rate_rps: float, plan_for: Callable[[Problem], Evaluation | None]
) -> float | None:
    units = _carried_by_one(prices)
    least, last = float(units.min()), _step_up_to(units, rate_rps)

    def search(first: float, last: float) -> float | None:
        """The largest feasible step from `first` to `last`."""
        if plan_for(_at_best(prices, first, last)) is None:
            return None
        if _step_after(units, first) > last:
            return last
        # Rates spread over many orders of magnitude: halve by ratio.
        middle = max(first, _step_up_to(units, sqrt(first * last)))
        middle = middle if middle < last else first
        after = _step_after(units, middle)
        return (search(after, last) if after <= last else None) or search(first, middle)

    return search(least, last) if least <= last else None


def _carried_by_one(prices: PriceList) -> Floats:
    """The pipeline rates that one replica of an option carries."""
    stages = zip(prices.one_replica, prices.pipeline.stages, strict=True)
    share = prices.pipeline.limits.utilisation
    return np.unique(np.concatenate([share * options.throughput_rps / stage.visits for options, stage in stages]))


def _step_up_to(units: Floats, rate_rps: float) -> float:
    return float((np.floor(rate_rps / units) * units).max())


def _step_after(units: Floats, rate_rps: float) -> float:
    """The next step that is noticeably larger: as many replicas carry a rate within the tolerance of a step."""
    used = rate_rps / units
    return float(((np.floor(used + TOLERANCE + 1e-15 * used) + 1) * units).min())


def _at_best(prices: PriceList, first_rps: float, last_rps: float) -> Problem:
    """A problem that is feasible if one at any rate between the two is: the fewest replicas, the shortest wait."""
    problem = prices.at(last_rps)
    if first_rps == last_rps:
        return problem
    pairs = zip(prices.at(first_rps).stages, problem.stages, strict=True)
    return replace(problem, stages=tuple(replace(few, queue_s=short.queue_s) for few, short in pairs))
