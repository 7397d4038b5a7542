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

from ipa.domain import Allocation, Fixed, Hardware, Limits, Measurement, Objective, Pipeline, Stage
from ipa.errors import UsageError
from ipa.pricing import prices

TOLERANCE = 1e-9
MOST_REPLICAS = 1e17  # times 64 cores is still a 64-bit integer
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


@dataclass(frozen=True, slots=True)
class PriceList:
    """All of the option table that no rate changes; `one_replica` has every option at one replica and no wait."""

    pipeline: Pipeline
    one_replica: tuple[StageOptions, ...]
    capacity: Mapping[str, tuple[float, str]]

    def at(self, rate_rps: float) -> Problem:
        """The option table at a rate. Raises UsageError for a rate that is none."""
        if not isfinite(rate_rps) or rate_rps < 0:
            raise UsageError(f"rate {rate_rps}: a rate is a finite number of requests per second, at least 0")
        p = self.pipeline
        stages = tuple(
            _at_rate(options, rate_rps * stage.visits, p.limits.utilisation)
            for stage, options in zip(p.stages, self.one_replica, strict=True)
        )
        return Problem(p.name, rate_rps, stages, p.objective, p.limits, p.slo.latency_s, self.capacity, p.policies)


def price(pipeline: Pipeline, rate_rps: float) -> Problem:
    """The option table at one rate. Raises UsageError for a rate that is none or a latency model that does not fit."""
    return price_list(pipeline).at(rate_rps)


def price_list(pipeline: Pipeline) -> PriceList:
    """What every rate needs, to be made once. Raises UsageError where a latency model does not fit."""
    capacity = {
        name: (h.capacity, "replicas" if h.price_per_hour > 0 else "cores")
        for name, h in pipeline.hardware.items()
        if h.capacity is not None
    }
    order = {stage.name: i for i, stage in enumerate(pipeline.stages)}
    return PriceList(pipeline, tuple(_one_replica(pipeline, stage, order) for stage in pipeline.stages), capacity)


def _at_rate(one: StageOptions, stage_rps: float, utilisation: float) -> StageOptions:
    needed = np.ceil(stage_rps / (utilisation * one.throughput_rps) - TOLERANCE)
    if needed.max() > MOST_REPLICAS:
        rule = f"it takes {needed.max():.3g} replicas of stage {one.stage}, {MOST_REPLICAS:g} at most can be counted"
        raise UsageError(f"rate {stage_rps:g}: {rule}")
    replicas = np.maximum(1, needed).astype(np.int64)
    return replace(
        one,
        replicas=replicas,
        queue_s=_queue_s(one.batch, stage_rps),
        cost_cores=replicas * one.cost_cores,
        cost_per_hour=replicas * one.cost_per_hour,
    )


def _one_replica(pipeline: Pipeline, stage: Stage, order: Mapping[str, int]) -> StageOptions:
    rows = list(_priced(pipeline, stage))
    if not rows:
        raise UsageError(f"stage {stage.name}: no option: its profile has no measurement that can be used")
    variants = {v.name: i for i, v in enumerate(stage.variants)}
    accuracies = np.array([v.accuracy for v in stage.variants], dtype=np.float64)
    hardware = {name: i for i, name in enumerate(dict.fromkeys(row[1] for row in rows))}
    names, kinds, cores, batches, latencies_s, throughputs_rps = zip(*rows, strict=True)
    kind = np.array([hardware[name] for name in kinds], dtype=np.int64)
    prices = [pipeline.hardware.get(name, Hardware(name)) for name in hardware]
    per_core, per_replica = (
        np.array([getattr(h, column) for h in prices])[kind] for column in ("price_per_core_hour", "price_per_hour")
    )
    count = np.array(cores, dtype=np.int64)
    return StageOptions(
        stage=stage.name,
        after=tuple(order[name] for name in stage.after),
        variants=tuple(variants),
        accuracies=accuracies,
        ranks=(accuracies < accuracies[:, None]).sum(axis=1),
        hardware=tuple(hardware),
        variant_index=np.array([variants[name] for name in names], dtype=np.int64),
        hardware_index=kind,
        cores=count,
        batch=np.array(batches, dtype=np.int64),
        replicas=np.ones(len(rows), dtype=np.int64),
        latency_s=np.array(latencies_s, dtype=np.float64),
        queue_s=np.zeros(len(rows)),
        throughput_rps=np.array(throughputs_rps, dtype=np.float64),
        cost_cores=count.astype(np.float64),
        cost_per_hour=per_replica + per_core * count,
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
    by_variant: dict[str, list[tuple[str, int]]] = {}
    for name, hardware, cores in groups:
        by_variant.setdefault(name, []).append((hardware, cores))
    for variant in stage.variants:
        for hardware, cores in by_variant.get(variant.name, ()):
            for p in prices(groups[variant.name, hardware, cores], pipeline.batches, pipeline.latency):
                yield variant.name, hardware, cores, p.batch, p.latency_s, p.throughput_rps
