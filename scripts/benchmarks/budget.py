"""Many pipelines under one budget of cores, against deciding each of them alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice

import numpy as np

from benchmarks.policies import RATE_RPS
from benchmarks.rows import Row, repeated
from ipa.domain import Pipeline
from ipa.options import price
from ipa.policy import auto, milp
from ipa.policy.knapsack import Group, cheapest, picks, tabulate
from ipa.policy.shared import Demand, share
from tests.pipelines import random_chain

MANY = 100
SHARE = 0.8  # of the cores that they would take alone
STEPS = 40


def run() -> Iterator[Row]:
    pipelines = list(islice(_feasible(), MANY))
    cores = int(SHARE * sum(_cores_alone(pipeline) for pipeline in pipelines))
    split = f"{MANY} pipelines of 3 stages × 5 variants, {cores} cores for all"
    yield repeated(
        f"{split} ÷ auto on each alone",
        "decision",
        lambda: share([Demand(price(p, RATE_RPS)) for p in pipelines], cores),
        lambda: [auto.solve(price(p, RATE_RPS)) for p in pipelines],
    )
    yield repeated(
        f"{split} ÷ milp on each alone",
        "decision",
        lambda: share([Demand(price(p, RATE_RPS)) for p in pipelines], cores),
        lambda: [milp.solve(price(p, RATE_RPS)) for p in pipelines],
        pairs=3,
    )
    groups, budget = _groups(), MANY * STEPS
    yield repeated(
        f"the knapsack of {MANY} staircases of {STEPS} steps, {budget} cores ÷ the same in plain Python, a tenth of it",
        "decision",
        lambda: picks(knapsack := tabulate(groups, budget), cheapest(knapsack, budget, 1e-9)),
        lambda: _in_python(groups[: MANY // 10], budget),
        pairs=3,
    )


def _feasible() -> Iterator[Pipeline]:
    for seed in count():
        chain = random_chain(seed, 3, 5, tightness=(0.5, 1, 2)[seed % 3])
        if auto.solve(price(chain, RATE_RPS)).evaluation:
            yield chain


def _cores_alone(pipeline: Pipeline) -> float:
    best = auto.solve(price(pipeline, RATE_RPS)).evaluation
    assert best is not None
    return best.cost_cores


def _groups() -> list[Group]:
    random = np.random.default_rng(0)
    return [Group(np.arange(1, 2 * STEPS, 2), np.cumsum(random.exponential(1.0, STEPS))) for _ in range(MANY)]


def _in_python(groups: Sequence[Group], budget: int) -> list[float]:
    best = [0.0] * (budget + 1)
    for group in groups:
        steps = list(zip(group.costs.tolist(), group.values.tolist(), strict=True))
        best = [
            max((best[b - cost] + value for cost, value in steps if cost <= b), default=-np.inf)
            for b in range(budget + 1)
        ]
    return best
