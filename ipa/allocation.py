"""The base allocation: how many cores one replica of a variant gets (IPA, arXiv 2308.12871, §4.1).

On each kind of hardware by itself, as if it were the only one, so that adding a GPU never changes what a CPU gets:

0. `base_cores` of variants.csv where they were profiled on this hardware.
1. Else the fewest profiled cores with h(b = 1) ≥ threshold.
2. SLA_stage = 5 × the mean, over the variants that 0 and 1 place, of their batch-1 latencies at those cores.
3. For the variants of 1: the fewest cores with h(b = 1) ≥ threshold and l(largest batch) ≤ SLA_stage.
4. Else the variant is left out, with the reason.

l and h are the prices the solver sees (latency model, percentile and margins included), and hold within 1e-9 as limits
do. The largest batch is the largest there is to choose at those cores. Batch 1 need not be among `batches`; cores that
nobody measured at batch 1 (table) cannot be judged and are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from ipa.domain import LatencySettings, Measurement, Pipeline, Stage
from ipa.options import TOLERANCE
from ipa.pricing import Price, prices

SLA_FACTOR = 5.0
"""The paper's: a stage may take 5 × its mean batch-1 latency."""

Key = tuple[str, str]
"""(variant, hardware)."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A variant that gets no cores on one kind of hardware, and why."""

    stage: str
    variant: str
    hardware: str
    reason: str

    def __str__(self) -> str:
        return f"stage {self.stage}: {self.variant} on {self.hardware} gets no base allocation: {self.reason}"


@dataclass(frozen=True, slots=True)
class StageAllocation:
    """One stage's cores per replica, and what was left out."""

    cores: Mapping[Key, int]
    left_out: tuple[LeftOut, ...]


def with_base_allocation(
    pipeline: Pipeline, profile: Sequence[Measurement], threshold_rps: float
) -> tuple[Pipeline, tuple[LeftOut, ...]]:
    """The pipeline with the measurements at base cores only and without the variants that get none anywhere.

    `profile` holds the measurements at any batch. A stage may end up without variants. Raises UsageError where the
    latency model does not fit a server that the rule looks at.
    """
    stages: list[Stage] = []
    kept: list[Measurement] = []
    left_out: list[LeftOut] = []
    for stage in pipeline.stages:
        own = [m for m in profile if m.stage == stage.name and m.hardware in stage.hardware]
        found = base_allocation(stage, own, pipeline.batches, pipeline.latency, threshold_rps)
        placed = {variant for variant, _ in found.cores}
        stages.append(replace(stage, variants=tuple(v for v in stage.variants if v.name in placed)))
        rows = (m for m in pipeline.measurements if m.stage == stage.name)
        kept += [m for m in rows if found.cores.get((m.variant, m.hardware)) == m.cores]
        left_out += found.left_out
    return replace(pipeline, stages=tuple(stages), measurements=tuple(kept)), tuple(left_out)


def base_allocation(
    stage: Stage,
    measurements: Sequence[Measurement],
    batches: Sequence[int],
    latency: LatencySettings,
    threshold_rps: float,
) -> StageAllocation:
    """The base cores of one stage, from measurements at any batch.

    `batches` are those to choose from, ascending; none are all profiled.
    """
    cores: dict[Key, int] = {}
    left_out: list[LeftOut] = []
    for hardware in dict.fromkeys(m.hardware for m in measurements):
        rows = [m for m in measurements if m.hardware == hardware]
        placed, reasons = _on_one_hardware(_servers(stage, rows, batches, latency), threshold_rps)
        cores |= {(name, hardware): count for name, count in placed.items()}
        left_out += [LeftOut(stage.name, name, hardware, reason) for name, reason in reasons.items()]
    return StageAllocation(cores, tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Server:
    """A variant at one number of cores: its prices at batch 1, if known, and at the largest batch to choose."""

    cores: int
    listed: bool
    one: Price | None
    largest: Price

    def carries(self, threshold_rps: float) -> bool:
        return self.one is not None and self.one.throughput_rps >= threshold_rps - TOLERANCE


def _on_one_hardware(
    servers: Mapping[str, Sequence[_Server]], threshold_rps: float
) -> tuple[dict[str, int], dict[str, str]]:
    """The rule itself: per variant its candidates by ascending cores → its cores, or why it gets none."""
    able = {name: [s for s in own if s.listed or s.carries(threshold_rps)] for name, own in servers.items()}
    first_s = [own[0].one.latency_s for own in able.values() if own and own[0].one]
    sla_s = SLA_FACTOR * fmean(first_s) if first_s else 0.0
    cores, reasons = {}, {}
    for name, own in able.items():
        fitting = [s for s in own if s.listed or s.largest.latency_s <= sla_s + TOLERANCE]
        if fitting:
            cores[name] = fitting[0].cores
        else:
            reasons[name] = _too_slow(own, sla_s) if own else _too_weak(servers[name], threshold_rps)
    return cores, reasons


def _servers(
    stage: Stage, measurements: Sequence[Measurement], batches: Sequence[int], latency: LatencySettings
) -> dict[str, list[_Server]]:
    """On one kind of hardware, per variant the servers to choose from by ascending cores: the listed one alone."""
    found = {}
    for variant in stage.variants:
        by_cores: dict[int, list[Measurement]] = {}
        for m in sorted(measurements, key=lambda m: (m.cores, m.batch)):
            if m.variant == variant.name:
                by_cores.setdefault(m.cores, []).append(m)
        any_batch = latency.model != "table" or not batches
        usable = {c: rows for c, rows in by_cores.items() if any_batch or any(m.batch in batches for m in rows)}
        if variant.base_cores in usable:
            usable = {variant.base_cores: usable[variant.base_cores]}
        own = []
        for cores, rows in usable.items():
            one, most = prices(rows, (1,), latency), prices(rows, batches, latency)
            own.append(_Server(cores, cores == variant.base_cores, one[0] if one else None, most[-1]))
        if own:
            found[variant.name] = own
    return found


def _too_weak(servers: Sequence[_Server], threshold_rps: float) -> str:
    known = [(s.one.throughput_rps, s.cores) for s in servers if s.one]
    if not known:
        return "its profile has no batch of 1, which the threshold is about"
    most_rps, cores = max(known)
    return (
        f"at batch 1 it carries at most {most_rps:.4g} requests/s ({cores} core(s)), the threshold is {threshold_rps:g}"
    )


def _too_slow(servers: Sequence[_Server], sla_s: float) -> str:
    least = min(servers, key=lambda s: s.largest.latency_s)
    takes = f"a batch of {least.largest.batch} takes at least {least.largest.latency_s:.4g} s ({least.cores} core(s))"
    return f"{takes}, the stage may take {sla_s:.4g} s (5 × its variants' mean latency at batch 1)"
