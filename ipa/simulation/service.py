"""How long a batch of n takes in the simulation: measurements of one server → a table of seconds.

A table has the shape (levels, largest batch): column n − 1 is for n requests. One level is always taken; several are
the quantiles at an even grid of probabilities from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ipa.domain import Measurement
from ipa.errors import UsageError
from ipa.workload.processes import FloatArray

SHORTEST_S = 1e-6  # where the first segment, extended, falls below: work takes time
LEVELS = np.linspace(0, 1, 101)


def mean(rows: Sequence[Measurement], largest: int) -> FloatArray:
    """The mean latency, linear between measured batches, the end segments extended (the contract's rule)."""
    return _over_batches([(row.batch, row.latency_mean_s) for row in rows], largest)[None, :]


def quantiles(rows: Sequence[Measurement], largest: int) -> FloatArray:
    """Linear between p50, p95 and p99 and on to the largest; the smallest is such that the mean is the measured one.

    Raises UsageError where a percentile was not measured.
    """
    levels = np.stack([_over_batches([(row.batch, level) for row, level in at], largest) for at in _by_level(rows)])
    return np.maximum.accumulate(levels, axis=0)


def _by_level(rows: Sequence[Measurement]) -> list[list[tuple[Measurement, float]]]:
    columns = [(row, _quantile_function(row)) for row in rows]
    return [[(row, float(column[at])) for row, column in columns] for at in range(len(LEVELS))]


def _quantile_function(row: Measurement) -> FloatArray:
    p50_s, p95_s, p99_s = (row.latency_s(percentile) for percentile in ("50", "95", "99"))
    if p50_s is None or p95_s is None or p99_s is None:
        raise UsageError(
            f"{row.stage}/{row.variant} at batch {row.batch}: simulated quantiles need p50, p95 and p99, measured"
        )
    largest_s = p99_s + (p99_s - p95_s) / 4  # the last hundredth as steep as the four before
    tail_s = 0.45 * (p50_s + p95_s) / 2 + 0.04 * (p95_s + p99_s) / 2 + 0.01 * (p99_s + largest_s) / 2
    least_s = min(max(4 * (row.latency_mean_s - tail_s) - p50_s, SHORTEST_S), p50_s)
    return np.interp(LEVELS, [0, 0.5, 0.95, 0.99, 1], [least_s, p50_s, p95_s, p99_s, largest_s])


def _over_batches(points: Sequence[tuple[int, float]], largest: int) -> FloatArray:
    """Seconds for 1 … `largest` requests; a single point holds for all."""
    batches, seconds = np.array(sorted(points)).T
    wanted = np.arange(1, largest + 1, dtype=np.float64)
    found: FloatArray = np.interp(wanted, batches, seconds)
    if len(batches) > 1:
        slopes = np.diff(seconds) / np.diff(batches)
        below, above = wanted < batches[0], wanted > batches[-1]
        found[below] = seconds[0] + slopes[0] * (wanted[below] - batches[0])
        found[above] = seconds[-1] + slopes[-1] * (wanted[above] - batches[-1])
    return np.clip(found, SHORTEST_S, None)


SERVICES: dict[str, Callable[[Sequence[Measurement], int], FloatArray]] = {"mean": mean, "quantiles": quantiles}
