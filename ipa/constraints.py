"""What a cluster has room for and does not start, applied to prices and problems: policies then need not know. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ipa.domain import Allocation, Constraints, Plan
from ipa.options import PriceList, Problem, StageOptions

T = TypeVar("T")
Server = tuple[str, str, int]


def within_cores(prices: PriceList, constraints: Constraints) -> PriceList:
    """The same prices, with no more cores than there are."""
    limits = prices.pipeline.limits
    if constraints.cores is None or (limits.cores is not None and limits.cores <= constraints.cores):
        return prices
    return replace(prices, pipeline=replace(prices.pipeline, limits=replace(limits, cores=constraints.cores)))


def without_barred(problem: Problem, barred: tuple[Allocation, ...], live: Plan | None) -> Problem:
    """The problem without the options that need more replicas of a barred server than run.

    A stage of which nothing would be left keeps all its options: with every server barred any may be tried.
    """
    if not barred:
        return problem
    return replace(problem, stages=tuple(_without(stage, barred, live) for stage in problem.stages))


def unbarred(live: Plan, replicas: Sequence[int], barred: tuple[Allocation, ...]) -> tuple[int, ...]:
    """The replicas wanted of each stage, no more than run where the server that runs is barred."""
    kept_out = {(a.stage, a.server) for a in barred}
    pairs = zip(live.allocations, replicas, strict=True)
    return tuple(min(n, a.replicas) if (a.stage, a.server) in kept_out else n for a, n in pairs)


def _without(stage: StageOptions, barred: tuple[Allocation, ...], live: Plan | None) -> StageOptions:
    servers = {a.server for a in barred if a.stage == stage.stage}
    if not servers:
        return stage
    has: Counter[Server] = Counter()
    for a in live.allocations if live else ():
        if a.stage == stage.stage:
            has[a.server] += a.replicas
    left = [k for k in range(len(stage)) if _allowed(stage.allocation(k), servers, has)]
    rows = np.array(left, dtype=np.int64)
    return stage.taking(rows, stage.replicas[rows]) if left else stage


def _allowed(option: Allocation, servers: set[Server], has: Counter[Server]) -> bool:
    return option.server not in servers or option.replicas <= has[option.server]


def avoiding(
    policy: Callable[[Problem], T], barred: tuple[Allocation, ...], live: Plan | None
) -> Callable[[Problem], T]:
    """The policy over what is not barred; itself where nothing is."""
    if not barred:
        return policy
    return lambda problem: policy(without_barred(problem, barred, live))
