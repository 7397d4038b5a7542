"""An oracle written from the contract alone, in plain Python: it shares no code with ipa's pricing or evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, inf

from ipa.domain import Allocation, Fixed, Measurement, Pipeline, Stage

EPSILON = 1e-9


@dataclass(frozen=True)
class Row:
    allocation: Allocation
    accuracy: float
    rank: int
    variants: int
    delay_s: float
    per_hour: float


@dataclass(frozen=True)
class Best:
    objective: float
    allocations: tuple[Allocation, ...]


def baseline(name: str, pipeline: Pipeline) -> Mapping[str, Fixed]:
    """What a baseline fixes, by the contract: as configured; fa2 also the least or most accurate variants."""
    fixed = dict(pipeline.policies.get(name, {}))
    if name in ("fa2-low", "fa2-high"):
        sign = 1 if name == "fa2-low" else -1
        for stage in pipeline.stages:
            own = fixed.get(stage.name, Fixed())
            by_accuracy = sorted(stage.variants, key=lambda v: sign * v.accuracy)  # stable: the first of equal ones
            fixed[stage.name] = replace(own, variant=own.variant or by_accuracy[0].name)
    return fixed


def best_plan(pipeline: Pipeline, rate_rps: float, fixed: Mapping[str, Fixed] | None = None) -> Best | None:
    """The best of all plans by full enumeration, ties broken as the contract says; None if none is feasible.

    `fixed`: only plans that have these values, stage by stage; fixed replicas are run and paid for, needed or not.
    """
    found: Best | None = None
    key: tuple[float, int, list[tuple[str, str, int]]] | None = None
    for value, rows in feasible_plans(pipeline, rate_rps, fixed):
        own = (
            float(sum(r.allocation.total_cores for r in rows)),
            sum(r.allocation.batch for r in rows),
            [r.allocation.server for r in rows],
        )
        better = found is None or value > found.objective + EPSILON
        tied = found is not None and abs(value - found.objective) <= EPSILON
        if better or (tied and key is not None and own < key):
            found, key = Best(value, tuple(r.allocation for r in rows)), own
    return found


def feasible_plans(
    pipeline: Pipeline, rate_rps: float, fixed: Mapping[str, Fixed] | None = None
) -> Iterator[tuple[float, tuple[Row, ...]]]:
    """Every plan within the limits, a row a stage, and its objective."""
    held = fixed or {}
    for rows in product(*(list(_rows(pipeline, s, rate_rps, held.get(s.name))) for s in pipeline.stages)):
        value = _objective_if_feasible(pipeline, rows)
        if value is not None:
            yield value, rows


def _rows(pipeline: Pipeline, stage: Stage, rate_rps: float, fixed: Fixed | None) -> Iterator[Row]:
    stage_rps = rate_rps * stage.visits
    for m in pipeline.measurements:
        if m.stage != stage.name:
            continue
        throughput = _throughput(m) * (1 + pipeline.latency.throughput_margin)
        replicas = max(1, ceil(stage_rps / (pipeline.limits.utilisation * throughput) - EPSILON))
        if fixed is not None:
            kept = (fixed.variant, fixed.hardware, fixed.cores, fixed.batch)
            has = (m.variant, m.hardware, m.cores, m.batch)
            if any(k is not None and k != h for k, h in zip(kept, has, strict=True)):
                continue
            if fixed.replicas is not None and fixed.replicas < replicas:
                continue
            replicas = fixed.replicas or replicas
        queue_s = 0.0 if m.batch == 1 else (m.batch - 1) / stage_rps if stage_rps else inf
        hardware = pipeline.hardware.get(m.hardware)
        per_hour = replicas * (hardware.price_per_hour + hardware.price_per_core_hour * m.cores) if hardware else 0.0
        variant = stage.variant(m.variant)
        yield Row(
            Allocation(stage.name, m.variant, m.hardware, m.cores, m.batch, replicas),
            variant.accuracy,
            sum(other.accuracy < variant.accuracy for other in stage.variants),
            len(stage.variants),
            (m.latency_p99_s or 0.0) * (1 + pipeline.latency.margin) + queue_s,
            per_hour,
        )


def _throughput(m: Measurement) -> float:
    return m.throughput_rps if m.throughput_rps else m.batch / m.latency_mean_s


def _score(pipeline: Pipeline, rows: tuple[Row, ...]) -> float:
    kind, value = pipeline.objective.score, 1.0
    if kind == "product":
        for r in rows:
            value *= r.accuracy
        return value
    if kind == "rank-product":
        for r in rows:
            value *= (r.rank + 1) / r.variants
        return value
    if kind == "rank-sum":
        return sum(r.rank / (r.variants - 1) if r.variants > 1 else 1.0 for r in rows)
    return sum(r.accuracy for r in rows) / (len(rows) if kind == "mean" else 1)


def _objective_if_feasible(pipeline: Pipeline, rows: tuple[Row, ...]) -> float | None:
    limits, weights = pipeline.limits, pipeline.objective
    cores = sum(r.allocation.total_cores for r in rows)
    per_hour = sum(r.per_hour for r in rows)
    accuracy = 1.0
    for r in rows:
        accuracy *= r.accuracy
    score = _score(pipeline, rows)
    at_most = [
        (_latency_s(pipeline, rows), pipeline.slo.latency_s),
        (cores, limits.cores),
        (per_hour, limits.cost_per_hour),
        (max(r.allocation.replicas for r in rows), limits.replicas),
    ]
    for name, hardware in pipeline.hardware.items():
        on_it = [r.allocation for r in rows if r.allocation.hardware == name]
        used = sum(a.replicas if hardware.price_per_hour > 0 else a.total_cores for a in on_it)
        at_most.append((used, hardware.capacity))
    if any(bound is not None and value > bound + EPSILON for value, bound in at_most):
        return None
    if limits.accuracy is not None and accuracy < limits.accuracy - EPSILON:
        return None
    if limits.score is not None and score < limits.score - EPSILON:
        return None
    cost = cores if weights.unit == "cores" else per_hour
    batches = sum(r.allocation.batch for r in rows)
    return weights.accuracy_weight * score - weights.cost_weight * cost - weights.batch_weight * batches


def _latency_s(pipeline: Pipeline, rows: tuple[Row, ...]) -> float:
    """The slowest of all paths, each walked on its own."""
    delays = {stage.name: r.delay_s for stage, r in zip(pipeline.stages, rows, strict=True)}
    after = {stage.name: stage.after for stage in pipeline.stages}

    def paths(name: str) -> Iterator[float]:
        if not after[name]:
            yield delays[name]
        for earlier in after[name]:
            for path_s in paths(earlier):
                yield path_s + delays[name]

    return max(path_s for name in delays for path_s in paths(name))
