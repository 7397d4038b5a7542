"""Where a simulation judges latency, the price list must not: it would leave out plans that keep the SLO.

A replica takes what waits and never waits for more, so a batch size is no time that every request takes: neither is
l(b) + q(b) a bound. What no request can do without is the time of the smallest batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ipa.evaluation import Evaluation, evaluate
from ipa.options import Problem, StageOptions


def simulated(problem: Problem) -> Problem:
    """The problem whose latencies are those of the smallest batch, without a wait; nothing else changes."""
    return replace(problem, stages=tuple(_quickest(stage) for stage in problem.stages))


def judged(problem: Problem, choice: Sequence[int], replicas: Sequence[int]) -> Evaluation:
    """A plan by all numbers of the problem; that a simulation answers for its latency is up to the caller."""
    chosen = zip(problem.stages, choice, replicas, strict=True)
    only = replace(problem, stages=tuple(stage.only(k, n) for stage, k, n in chosen))
    found = evaluate(only, (0,) * len(choice))
    broken = tuple(limit for limit in found.broken if limit != "latency")
    return replace(found, choice=tuple(int(k) for k in choice), broken=broken)


def server_of(stage: StageOptions, option: int) -> tuple[int, int, int]:
    """What a replica is, as indices: options that differ in batch alone share it."""
    return int(stage.variant_index[option]), int(stage.hardware_index[option]), int(stage.cores[option])


def _quickest(stage: StageOptions) -> StageOptions:
    smallest: dict[tuple[int, int, int], int] = {}
    for k in range(len(stage)):
        known = smallest.setdefault(server_of(stage, k), k)
        if stage.batch[k] < stage.batch[known]:
            smallest[server_of(stage, k)] = k
    rows = [smallest[server_of(stage, k)] for k in range(len(stage))]
    return replace(stage, latency_s=stage.latency_s[rows], queue_s=np.zeros(len(stage)))
