"""A trace is its segments in a row; a seed makes arrival times of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ipa.errors import UsageError
from ipa.workload.counts import Counts, select
from ipa.workload.expression import LONGEST_S, ProcessTerm, Term
from ipa.workload.processes import FloatArray, count_arrivals, process_arrivals

MOST_REQUESTS = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class CountSegment:
    """Requests in each second, of which `speed` pass in one second of the trace."""

    counts: Counts
    speed: float = 1.0

    @property
    def duration_s(self) -> float:
        return len(self.counts) / self.speed

    @property
    def expected_requests(self) -> float:
        return float(self.counts.sum())


@dataclass(frozen=True, slots=True)
class ProcessSegment:
    """A stretch of one arrival process."""

    term: ProcessTerm

    @property
    def duration_s(self) -> float:
        return self.term.duration_s

    @property
    def expected_requests(self) -> float:
        return self.term.rate_rps * self.term.duration_s


Segment = ProcessSegment | CountSegment


@dataclass(frozen=True, slots=True)
class Trace:
    segments: tuple[Segment, ...]

    @property
    def duration_s(self) -> float:
        return math.fsum(segment.duration_s for segment in self.segments)

    @property
    def expected_requests(self) -> float:
        return math.fsum(segment.expected_requests for segment in self.segments)


def assemble(terms: Iterable[Term], counts: Mapping[str, Counts]) -> Trace:
    """The trace of `terms`; `counts` holds every second of each file they name. Raises UsageError."""
    return Trace(
        tuple(
            ProcessSegment(term)
            if isinstance(term, ProcessTerm)
            else CountSegment(select(counts[term.path], term), term.speed)
            for term in terms
        )
    )


def arrival_times(trace: Trace, seed: int) -> FloatArray:
    """Seconds from the start of the trace, sorted, in [0, duration_s); the same for the same seed.

    Raises UsageError for more than MOST_REQUESTS or LONGEST_S, which would not fit in memory.
    """
    if trace.duration_s > LONGEST_S:
        raise UsageError(f"the trace takes {trace.duration_s:.3g} s; at most {LONGEST_S:g} s can be made")
    if trace.expected_requests > MOST_REQUESTS:
        raise UsageError(
            f"the trace has about {trace.expected_requests:.3g} requests; at most {MOST_REQUESTS:,} can be made"
        )
    parts, start_s = [np.empty(0)], 0.0
    for number, segment in enumerate(trace.segments):
        # one generator a segment: what comes before it does not change its arrivals
        times_s = start_s + _segment_arrivals(segment, np.random.default_rng([seed, number]))
        start_s += segment.duration_s
        parts.append(np.minimum(times_s, np.nextafter(start_s, 0)))  # the sum may round up to the next segment
    return np.concatenate(parts)


def counts_per_second(times_s: FloatArray, duration_s: float) -> Counts:
    """Arrivals in each second of [0, duration_s), the last one possibly cut short."""
    return np.bincount(times_s.astype(np.int64), minlength=math.ceil(duration_s)).astype(np.int64)


def _segment_arrivals(segment: Segment, rng: np.random.Generator) -> FloatArray:
    if isinstance(segment, CountSegment):
        return count_arrivals(segment.counts, rng) / segment.speed
    term = segment.term
    return process_arrivals(term.kind, term.rate_rps, term.cv, term.duration_s, rng)
