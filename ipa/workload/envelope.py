"""Traffic envelopes (InferLine, arXiv 1812.01776, §5): how many requests come at most within any time of some length.

    r_i = largest count in any window of width w_i / w_i,   w_0 = T, w_{i+1} = 2·w_i ≤ 60 s

Network calculus calls it an empirical arrival curve: the narrow windows see bursts, the wide ones the rate. Arrivals
are counted in ticks of 20 ms, so that memory and time do not grow with the rate; a window is of whole ticks and begins
at one, which sees at most what a window one tick wider sees that begins anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from ipa.workload.counts import Counts
from ipa.workload.processes import FloatArray

TICK_S = 0.02
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Envelope:
    """`rates_rps` by the width of the window in ticks; windows wider than what was seen are left out."""

    rates_rps: Mapping[int, float]


def ticks_of(arrivals_s: FloatArray, from_s: float, until_s: float) -> Counts:
    """Arrivals (sorted) in each tick from `from_s` on, the last one that is whole by `until_s` being the last."""
    count = max(0, int((until_s - from_s) / TICK_S + 1e-6))
    first, end = np.searchsorted(arrivals_s, (from_s, from_s + count * TICK_S))
    at = ((arrivals_s[first:end] - from_s) / TICK_S).astype(np.int64)
    return np.bincount(np.minimum(at, count - 1), minlength=count).astype(np.int64)


def widths(first_s: float) -> tuple[int, ...]:
    """The windows in ticks: `first_s`, at least a tick, and its doubles up to 60 s."""
    width, longest, found = max(1, ceil(first_s / TICK_S - 1e-9)), round(LONGEST_S / TICK_S), []
    while width <= longest:
        found.append(width)
        width *= 2
    return tuple(found) or (longest,)


def envelope(ticks: Counts, of_widths: tuple[int, ...]) -> Envelope:
    """Of arrivals per tick, oldest first."""
    until = np.concatenate([[0], np.cumsum(ticks)])
    seen = [width for width in of_widths if width <= len(ticks)]
    return Envelope({w: float((until[w:] - until[:-w]).max()) / (w * TICK_S) for w in seen})


def busiest_rps(ticks: Counts, width_s: float) -> float | None:
    """The largest rate of a window of that width; None where less than that was seen."""
    width = round(width_s / TICK_S)
    return envelope(ticks, (width,)).rates_rps.get(width)
