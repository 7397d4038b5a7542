"""The four workloads: slices of the Twitter trace that IPA_TWITTER_TRACE names, or stand-ins of the same shape.

The paper's rates are one eighth of the trace's: every second's count is integer-divided by 8. A stand-in is made the
same way, a Poisson count at eight times the rate, then divided, so that its seconds scatter as little as those of the
slices (variance / mean about 1/8 at a steady rate). Requests/s, mean and busiest second:

               slices       stand-in
bursty         12.0, 34     11.8, 31
steady-low      5.1,  8      5.1,  8
steady-high    28.8, 34     29.1, 35
fluctuating    16.5, 34     16.2, 33
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ipa.adapters.trace_files import read_counts
from ipa.errors import UsageError
from ipa.workload.counts import Counts
from ipa.workload.trace import CountSegment, Trace

VARIABLE = "IPA_TWITTER_TRACE"
DAMPING = 8
STAND_IN_SEED = 2021  # of the stand-ins' counts; where a request falls within its second is the run's seed


@dataclass(frozen=True, slots=True)
class Workload:
    """`slices` of the trace, [start, end) in seconds.

    `knots` of the stand-in: (second, requests/s); linear between them, even before the first and after the last.
    """

    slices: tuple[tuple[int, int], ...]
    knots: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> int:
        return sum(end - start for start, end in self.slices)


WORKLOADS: Mapping[str, Workload] = {
    "bursty": Workload(
        ((1301160, 1302360),),
        ((380, 5.5), (400, 24), (440, 28), (700, 26), (780, 12), (850, 6)),
    ),
    "steady-low": Workload(((1299600, 1300800),), ((0, 5.5),)),
    "steady-high": Workload(((1768800, 1769400),) * 2, ((0, 29.5),)),
    "fluctuating": Workload(
        ((1301400, 1302000), (1308600, 1309200)),
        ((140, 5.5), (160, 24), (200, 28), (460, 26), (540, 12), (600, 8), (730, 8), (760, 26), (860, 29), (1020, 8)),
    ),
}


@dataclass(frozen=True, slots=True)
class Loads:
    """A trace for each workload that was asked for, and in words where they come from."""

    source: str
    traces: Mapping[str, Trace]


def loads(environment: Mapping[str, str], names: tuple[str, ...], longest_s: int | None = None) -> Loads:
    """The workloads called `names`, each cut to its first `longest_s` seconds. Raises UsageError for a bad trace."""
    path = environment.get(VARIABLE, "")
    if path:
        counts = read_counts(path, VARIABLE)
        made = {name: sliced(counts, WORKLOADS[name], f"{VARIABLE}: {path}") for name in names}
    else:
        made = {name: stand_in(WORKLOADS[name]) for name in names}
    source = f"slices of the Twitter trace ({VARIABLE})" if path else f"synthetic stand-ins ({VARIABLE} is not set)"
    return Loads(source, {name: _trace(name, counts[:longest_s]) for name, counts in made.items()})


def sliced(counts: Counts, workload: Workload, source: str) -> Counts:
    """The workload's seconds of the whole trace. Raises UsageError where the trace is too short for them."""
    end = max(end for _, end in workload.slices)
    if end > len(counts):
        raise UsageError(f"{source}: holds {len(counts):,} seconds; the slices of the paper reach to second {end:,}")
    return np.concatenate([counts[start:end] // DAMPING for start, end in workload.slices])


def stand_in(workload: Workload) -> Counts:
    """As many seconds as the slices; always the same."""
    seconds, rates_rps = zip(*workload.knots, strict=True)
    rate_rps = np.interp(np.arange(workload.seconds), seconds, rates_rps)
    undamped: Counts = np.random.default_rng(STAND_IN_SEED).poisson(DAMPING * rate_rps)
    return undamped // DAMPING


def _trace(name: str, counts: Counts) -> Trace:
    if not counts.any():
        raise UsageError(f"workload {name}: has no request in its {len(counts)} seconds")
    return Trace((CountSegment(counts),))
