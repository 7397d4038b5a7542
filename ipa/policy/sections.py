"""A percentile of a simulated run and how sure it is: sectioning.

Neighbours in a queue are late together, so the requests of a run are no independent sample. One long run is cut into
k sections, each long against what one request can do to the next ones; their percentiles q_i are nearly independent,
and around the percentile q of the whole run

    S² = Σ (q_i − q)² / (k − 1),   half-width = t(k − 1, 97.5 %) · S / √k

is a 95 % confidence interval: Asmussen and Glynn, Stochastic Simulation (2007), ch. III.5 "Sectioning"; batch means
are the same for a mean: Law, Simulation Modeling and Analysis, ch. 9.5.
"""

from __future__ import annotations

from math import ceil, inf, sqrt

import numpy as np

from ipa.options import TOLERANCE
from ipa.workload.processes import FloatArray

SECTIONS = 20
STUDENT_T = 2.093  # 97.5 % of Student's t with 19 degrees of freedom
BEYOND = 50  # requests of a section beyond its percentile: with fewer the section says little
FEWEST, MOST = 100_000, 1_000_000


def requests_for(percentile: float) -> int:
    """How many requests a run needs: 100,000 for p99, more for a higher percentile, up to a million."""
    wanted = SECTIONS * BEYOND / (1 - percentile / 100)
    return min(MOST, max(FEWEST, ceil(wanted - TOLERANCE)))


def most_missed(requests: int, percentile: float) -> int:
    """How many of them may be late before their percentile is."""
    return requests - _rank(requests, percentile)


def percentile_s(latency_s: FloatArray, percentile: float) -> tuple[float, float]:
    """The percentile of latencies in the order of arrival (shape (requests,), inf: never), and its half-width."""
    whole_s = at_percentile(latency_s, percentile)
    parts_s = np.array([at_percentile(part, percentile) for part in np.array_split(latency_s, SECTIONS)])
    if not np.isfinite(parts_s).all():
        return whole_s, inf
    variance = float(((parts_s - whole_s) ** 2).sum()) / (SECTIONS - 1)
    return whole_s, STUDENT_T * sqrt(variance / SECTIONS)


def at_percentile(latency_s: FloatArray, percentile: float) -> float:
    """The percentile alone; inf where so many were dropped."""
    rank = _rank(len(latency_s), percentile)
    return float(np.partition(latency_s, rank - 1)[rank - 1])


def _rank(count: int, percentile: float) -> int:
    """The percentile is the smallest latency that at least this many do not exceed."""
    return max(1, ceil(count * percentile / 100 - TOLERANCE))
