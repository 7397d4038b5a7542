"""How much work is left from each stage on, which decides whether a request can still make it.

Router and simulator drop by it alike: a request is dropped if age + remaining_s > slo.drop_after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ipa.domain import Allocation, Measurement, Pipeline


def remaining_s(pipeline: Pipeline, servers: Mapping[str, Sequence[Allocation]]) -> dict[str, float]:
    """Per stage the mean batch-1 latency of it and of the slowest path behind it, conditional stages counted.

    While two variants share a stage the faster one counts: a request is not dropped that could still make it.
    """
    left_s: dict[str, float] = {}
    for stage in reversed(pipeline.stages):  # each is listed after those it waits for
        own_s = min((service_time_s(pipeline.measurements, each) for each in servers[stage.name]), default=0.0)
        behind_s = [left_s[other.name] for other in pipeline.stages if stage.name in other.after]
        left_s[stage.name] = own_s + max(behind_s, default=0.0)
    return left_s


def service_time_s(measurements: Sequence[Measurement], allocation: Allocation) -> float:
    """The mean latency at batch 1, or at the smallest measured batch.

    0 where nobody measured: then requests are dropped by their age alone.
    """
    rows = measured(measurements, allocation)
    return min(rows, key=lambda row: row.batch).latency_mean_s if rows else 0.0


def measured(measurements: Sequence[Measurement], a: Allocation) -> list[Measurement]:
    """What was measured of the servers of `a`, at every batch."""
    return [m for m in measurements if (m.stage, m.variant, m.hardware, m.cores) == (a.stage, *a.server)]
