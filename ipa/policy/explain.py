"""Explain a plan: which limits bind, what the next unit of each is worth, and how much load the limits carry.

Every figure comes from an exact re-solve with one thing changed. A dual price would be none of this: the problem is
an integer one, so its value moves in steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite

from ipa.domain import Pipeline
from ipa.evaluation import Evaluation, Limit, limits_of
from ipa.options import Problem, price_list
from ipa.policy import auto
from ipa.policy.auto import any_plan
from ipa.policy.overload import largest_rate_rps, whole
from ipa.policy.relaxation import least_relaxation, moved, value_of

MORE_S = 0.010
POINT = 0.01
MORE_COST = 1.10
MORE_RATE = 1.10
ABOVE = 1e-6
"""Relative: a rate so much above the largest one is no longer carried by the same replicas."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """The best plan with a limit, or the rate, at `to`: None if there is none; `gain` is how much better it is."""

    to: float
    evaluation: Evaluation | None
    gain: float | None


@dataclass(frozen=True, slots=True)
class Worth:
    """One limit in force. It binds if the best objective without it is better.

    `next` is one unit more of it, None if the bound cannot move (a floor at 0); `first` the least relaxation with any
    gain, None if it does not bind.
    """

    limit: Limit
    value: float
    next: Alternative | None
    first: Alternative | None

    @property
    def binds(self) -> bool:
        return self.first is not None

    @property
    def slack(self) -> float:
        return self.value - self.limit.bound if self.limit.floor else self.limit.bound - self.value


@dataclass(frozen=True, slots=True)
class Explanation:
    """`rate` is the plan for a tenth more load. `largest_rate_rps` is infinite if no limit bounds it; each limit of
    `stopped_by` lets more through if it is lifted alone.
    """

    best: Evaluation
    limits: tuple[Worth, ...]
    rate: Alternative
    largest_rate_rps: float
    stopped_by: tuple[Limit, ...]


def explain(pipeline: Pipeline, rate_rps: float, see: Callable[[Problem], Problem] = whole) -> Explanation | None:
    """The best plan at a rate, explained; None if there is none. It is chosen from what `see` leaves of a problem."""
    prices = price_list(pipeline)
    problem = see(prices.at(rate_rps))
    best = auto.solve(problem).evaluation
    if best is None:
        return None
    largest_rps = largest_rate_rps(prices, see)
    more = MORE_RATE * rate_rps
    return Explanation(
        best,
        tuple(_worth(problem, best, limit) for limit in limits_of(problem)),
        _alternative(see(prices.at(more)), more, best),
        largest_rps,
        _stopped_by(see(prices.at(largest_rps * (1 + ABOVE)))) if isfinite(largest_rps) else (),
    )


def _worth(problem: Problem, best: Evaluation, limit: Limit) -> Worth:
    reached = least_relaxation(problem, limit, best.objective)
    value = value_of(problem, limit, best)
    to = one_more(limit)
    if reached is None:  # whatever the bound, nothing is better than the best plan
        return Worth(limit, value, None if to is None else Alternative(to, best, 0.0), None)
    first = Alternative(reached.to, reached.evaluation, reached.evaluation.objective - best.objective)
    return Worth(limit, value, None if to is None else _alternative(moved(problem, limit, to), to, best), first)


def one_more(limit: Limit) -> float | None:
    """The bound with one unit more room: 10 ms, a point (0.01), a tenth of the cost, one core or replica."""
    match limit.name:
        case "latency":
            return limit.bound + MORE_S
        case "accuracy" | "score":
            to = max(0.0, limit.bound - POINT)
        case "cost_per_hour":
            to = limit.bound * MORE_COST
        case _:
            to = limit.bound + 1
    return None if to == limit.bound else to


def _alternative(problem: Problem, to: float, now: Evaluation) -> Alternative:
    best = auto.solve(problem).evaluation
    return Alternative(to, best, None if best is None else best.objective - now.objective)


def _stopped_by(problem: Problem) -> tuple[Limit, ...]:
    lifted = ((limit, moved(problem, limit, -inf if limit.floor else inf)) for limit in limits_of(problem))
    return tuple(limit for limit, without in lifted if any_plan(without) is not None)
