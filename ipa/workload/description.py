"""A trace in a few numbers: how much, how uneven, how bursty, how full of gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipa.workload.counts import Counts
from ipa.workload.processes import FloatArray
from ipa.workload.trace import CountSegment, Trace, arrival_times, counts_per_second

MOST_TIMED = 10_000_000
"""Inter-arrival times are looked at up to so many requests; beyond, they would take gigabytes."""


@dataclass(frozen=True, slots=True)
class Description:
    """None: there is nothing to take it of.

    `zero_seconds`: seconds without a request; `gaps`: runs of them, `longest_gap_s` the longest.
    `peak_to_mean`: busiest second / mean. `dispersion`: variance / mean of the counts per second, 1 for Poisson
    arrivals, 0 for even ones (index of dispersion for counts; Gusella 1991). `interarrival_cv`: deviation / mean of the
    times between requests; the requests of a file's second are spread uniformly over it. None beyond MOST_TIMED.
    """

    seconds: float
    requests: int
    mean_rps: float
    max_rps: int
    zero_seconds: int
    gaps: int
    longest_gap_s: int
    peak_to_mean: float | None
    dispersion: float | None
    interarrival_cv: float | None


def describe(trace: Trace, seed: int) -> Description:
    """The trace as this seed makes it. Raises UsageError for processes of more requests than fit in memory."""
    times_s = arrival_times(trace, seed) if trace.expected_requests <= MOST_TIMED else None
    counts = trace_counts(trace, seed) if times_s is None else counts_per_second(times_s, trace.duration_s)
    requests, zero = int(counts.sum()), counts == 0
    mean_rps = requests / trace.duration_s
    starts = np.flatnonzero(np.diff(zero.astype(np.int8), prepend=0, append=0))
    lengths = starts[1::2] - starts[::2]  # a run of zeros begins and ends at every other change
    return Description(
        seconds=trace.duration_s,
        requests=requests,
        mean_rps=mean_rps,
        max_rps=int(counts.max()),
        zero_seconds=int(zero.sum()),
        gaps=len(lengths),
        longest_gap_s=int(lengths.max(initial=0)),
        peak_to_mean=int(counts.max()) / mean_rps if requests else None,
        dispersion=_dispersion(counts[: int(trace.duration_s)]),
        interarrival_cv=None if times_s is None else _variation(np.diff(times_s)),
    )


def trace_counts(trace: Trace, seed: int) -> Counts:
    """Requests in each second: those of the files as they stand, those of processes as this seed makes them."""
    if _is_counted(trace):
        return np.concatenate([segment.counts for segment in trace.segments if isinstance(segment, CountSegment)])
    return counts_per_second(arrival_times(trace, seed), trace.duration_s)


def _is_counted(trace: Trace) -> bool:
    return all(isinstance(segment, CountSegment) and segment.speed == 1 for segment in trace.segments)


def _dispersion(counts: Counts) -> float | None:
    return float(counts.var() / counts.mean()) if counts.any() else None


def _variation(gaps_s: FloatArray) -> float | None:
    return float(gaps_s.std() / gaps_s.mean()) if len(gaps_s) > 1 and gaps_s.mean() > 0 else None
