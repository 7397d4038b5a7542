"""Price: a pipeline and a rate → the option table, a few arrays a stage.

All formulas are IPA's (arXiv 2308.12871, §4) as the contract states them. An option is a (variant, hardware, cores,
batch) with the fewest replicas that carry the rate: cost and budgets only grow with replicas, so no more than
n = max(1, ceil(λ_stage / (u·h) − 1e-9)) can be optimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ipa.domain import Allocation, Fixed, Limits, Measurement, Objective, Pipeline, Stage
from ipa.errors import UsageError
from ipa.pricing import prices

TOLERANCE = 1e-9
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StageOptions:
    """One stage's options as columns of equal length K; `variants` and `accuracies` have one entry a variant.

    `rank_of` is each variant's rank among the stage's: 0 for the least accurate, equal accuracies share the lower.
    """

    stage: str
    after: tuple[int, ...]
    variants: tuple[str, ...]
    accuracies: Floats
    ranks: Ints
    hardware: tuple[str, ...]
    variant_index: Ints
    hardware_index: Ints
    cores: Ints
    batch: Ints
    replicas: Ints
    latency_s: Floats
    queue_s: Floats
    throughput_rps: Floats
    cost_cores: Floats
    cost_per_hour: Floats

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def accuracy(self) -> Floats:
        return self.accuracies[self.variant_index]

    @property
    def delay_s(self) -> Floats:
        return self.latency_s + self.queue_s

    def only(self, option: int, replicas: int) -> StageOptions:
        """The same stage with one option left, at a given number of replicas."""
        return self.taking(np.array([option]), np.array([replicas]))

    def taking(self, options: Ints, replicas: Ints) -> StageOptions:
        """The same stage with these options left (K' indices), at these numbers of replicas (K'); costs follow them."""
        columns = ("variant_index", "hardware_index", "cores", "batch", "latency_s", "queue_s", "throughput_rps")
        return replace(
            self,
            **{name: getattr(self, name)[options] for name in columns},
            replicas=replicas,
            cost_cores=(replicas * self.cores[options]).astype(np.float64),
            cost_per_hour=self.cost_per_hour[options] * (replicas / self.replicas[options]),
        )

    def allocation(self, option: int) -> Allocation:
        return Allocation(
            self.stage,
            self.variants[self.variant_index[option]],
            self.hardware[self.hardware_index[option]],
            int(self.cores[option]),
            int(self.batch[option]),
            int(self.replicas[option]),
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """What a policy sees: prices, weights and limits, never latency models or the world."""

    pipeline: str
    rate_rps: float
    stages: tuple[StageOptions, ...]
    objective: Objective
    limits: Limits
    slo_s: float
    capacity: Mapping[str, tuple[float, str]]
    """Per hardware of limited capacity: the limit and what it counts, `cores` or `replicas`."""
    policies: Mapping[str, Mapping[str, Fixed]] = field(default_factory=dict)
    """Per baseline and stage what the config fixes; only baselines look at it."""


def price(pipeline: Pipeline, rate_rps: float) -> Problem:
    """The option table at a rate. Raises UsageError for a rate that is no rate or a model that fits no variant."""
    if not isfinite(rate_rps) or rate_rps < 0:
        raise UsageError(f"rate {rate_rps}: a rate is a finite number of requests per second, at least 0")
    capacity = {
        name: (h.capacity, "replicas" if h.price_per_hour > 0 else "cores")
        for name, h in pipeline.hardware.items()
        if h.capacity is not None
    }
    order = {stage.name: i for i, stage in enumerate(pipeline.stages)}
    stages = tuple(_stage_options(pipeline, stage, order, rate_rps) for stage in pipeline.stages)
    return Problem(
        pipeline.name,
        rate_rps,
        stages,
        pipeline.objective,
        pipeline.limits,
        pipeline.slo.latency_s,
        capacity,
        pipeline.policies,
    )


def _stage_options(pipeline: Pipeline, stage: Stage, order: Mapping[str, int], rate_rps: float) -> StageOptions:
    stage_rps = rate_rps * stage.visits
    rows = list(_priced(pipeline, stage))
    if not rows:
        raise UsageError(f"stage {stage.name}: no option: its profile has no measurement that can be used")
    variants = tuple(v.name for v in stage.variants)
    accuracies = np.array([v.accuracy for v in stage.variants], dtype=np.float64)
    hardware = tuple(dict.fromkeys(row[1] for row in rows))
    cores, batch = (np.array([row[i] for row in rows], dtype=np.int64) for i in (2, 3))
    latency, throughput = (np.array([row[i] for row in rows], dtype=np.float64) for i in (4, 5))
    needed = np.ceil(stage_rps / (pipeline.limits.utilisation * throughput) - TOLERANCE)
    replicas = np.maximum(1, needed).astype(np.int64)
    prices = [pipeline.hardware.get(row[1]) for row in rows]
    per_replica_hour = np.array(
        [p.price_per_hour + p.price_per_core_hour * row[2] if p else 0.0 for p, row in zip(prices, rows, strict=True)]
    )
    return StageOptions(
        stage=stage.name,
        after=tuple(order[name] for name in stage.after),
        variants=variants,
        accuracies=accuracies,
        ranks=np.array([np.sum(accuracies < a) for a in accuracies], dtype=np.int64),
        hardware=hardware,
        variant_index=np.array([variants.index(row[0]) for row in rows], dtype=np.int64),
        hardware_index=np.array([hardware.index(row[1]) for row in rows], dtype=np.int64),
        cores=cores,
        batch=batch,
        replicas=replicas,
        latency_s=latency,
        queue_s=_queue_s(batch, stage_rps),
        throughput_rps=throughput,
        cost_cores=(replicas * cores).astype(np.float64),
        cost_per_hour=replicas * per_replica_hour,
    )


def _queue_s(batch: Ints, stage_rps: float) -> Floats:
    """q(b) = (b − 1)/λ, the wait of the first of a batch for the last; at λ = 0 only a batch of 1 ever fills."""
    if stage_rps > 0:
        return (batch - 1) / stage_rps
    return np.where(batch == 1, 0.0, np.inf)


_Row = tuple[str, str, int, int, float, float]  # variant, hardware, cores, batch, latency_s, throughput_rps


def _priced(pipeline: Pipeline, stage: Stage) -> Iterable[_Row]:
    """Latency with margin and throughput of every (variant, hardware, cores, batch) the latency model can price."""
    groups: dict[tuple[str, str, int], list[Measurement]] = {}
    for m in pipeline.measurements:
        if m.stage == stage.name and m.hardware in stage.hardware:
            groups.setdefault((m.variant, m.hardware, m.cores), []).append(m)
    for variant in stage.variants:
        for (name, hardware, cores), rows in groups.items():
            if name == variant.name:
                for p in prices(rows, pipeline.batches, pipeline.latency):
                    yield name, hardware, cores, p.batch, p.latency_s, p.throughput_rps
