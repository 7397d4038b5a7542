"""Overload: when no plan carries the forecast, the plan that carries the largest rate within the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ipa.domain import Pipeline
from ipa.options import Floats, Problem, price
from ipa.policy.solution import Solution


@dataclass(frozen=True, slots=True)
class Overload:
    rate_rps: float
    solution: Solution


def serve_most(pipeline: Pipeline, rate_rps: float, policy: Callable[[Problem], Solution]) -> Overload | None:
    """The largest rate below `rate_rps` with a feasible plan; None if there is none at any rate.

    Capacity is n·u·h, so the largest rate is one of those products. Feasibility is not monotone in the rate, since
    q = (b − 1)/λ grows as the rate falls; without q it is, so a bisection without q bounds the rate from above,
    and the products below that bound are tried one by one.
    """
    rates = _capacities(pipeline, rate_rps)
    low, high = 0, len(rates)  # rates[:low] are infeasible even without q; they are in falling order
    while low < high:
        middle = (low + high) // 2
        if policy(_without_queueing(price(pipeline, rates[middle]))).evaluation is None:
            low = middle + 1
        else:
            high = middle
    for rate in rates[low:]:
        solution = policy(price(pipeline, float(rate)))
        if solution.evaluation is not None:
            return Overload(float(rate), solution)
    return None


def _without_queueing(problem: Problem) -> Problem:
    return replace(problem, stages=tuple(replace(s, queue_s=np.zeros(len(s))) for s in problem.stages))


def _capacities(pipeline: Pipeline, below_rps: float) -> Floats:
    """Every pipeline rate below `below_rps` at which some number of replicas of some option is just used up."""
    problem = price(pipeline, below_rps)
    rates = [
        unit * np.arange(1, most + 1)
        for stage, domain in zip(problem.stages, pipeline.stages, strict=True)
        for unit, most in zip(
            pipeline.limits.utilisation * stage.throughput_rps / domain.visits, stage.replicas, strict=True
        )
    ]
    unique = np.unique(np.concatenate(rates))
    return unique[unique < below_rps][::-1]
