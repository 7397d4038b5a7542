"""The input of every latency model: the measured points of one (stage, variant, hardware, cores)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from ipa.domain import Measurement
from ipa.errors import IpaError

Points: TypeAlias = tuple[tuple[int, float], ...]
"""(batch, latency_s) pairs."""

Server: TypeAlias = tuple[str, str, str, int]
"""(stage, variant, hardware, cores): what one latency model describes."""


class Unfit(IpaError):
    """The points do not carry the model: too few of them, or a latency that is unphysical."""

    exit_code = 2


def points_by_server(measurements: Iterable[Measurement], percentile: str) -> dict[Server, Points]:
    """The points of each server at `percentile` (mean, 50, 95 or 99) by ascending batch, in profile order.

    Raises Unfit where a row lacks that percentile.
    """
    grouped: dict[Server, list[tuple[int, float]]] = {}
    for row in measurements:
        latency_s = row.latency_s(percentile)
        if latency_s is None:
            raise Unfit(
                f"{row.stage}/{row.variant} on {row.hardware} with {row.cores} cores, batch {row.batch}: "
                f"the profile holds no latency at percentile {percentile}"
            )
        grouped.setdefault((row.stage, row.variant, row.hardware, row.cores), []).append((row.batch, latency_s))
    return {server: tuple(sorted(points)) for server, points in grouped.items()}


def refuse_nonpositive(model: str, points: Points) -> None:
    """Raise Unfit for a batch below 1 or a latency that is not above 0."""
    for batch, latency_s in points:
        if batch < 1 or not latency_s > 0:
            raise Unfit(f"{model}: batch {batch} with latency {latency_s} s; batches are ≥ 1 and latencies > 0")
