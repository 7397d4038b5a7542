"""What of the observed seconds a forecast may rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ipa.forecast.outlook import FloatArray

SHORTEST_GAP_S = 10
UNLIKELY = 20.0
"""A run of k empty seconds at a mean of λ has probability e^(−kλ) if arrivals are Poisson: 2e-9 at kλ = 20."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """`counts` of seconds, oldest first; `left_out` says what is missing of those observed, empty if nothing."""

    counts: FloatArray
    left_out: str


def history(observed: Sequence[float]) -> History:
    """Without seconds that nobody counted (NaN, negative) and without gaps.

    A gap is a run of empty seconds where requests were so dense that an outage, of the load or of who counts it, is
    the likelier reason. One that fills more than half of what was observed is believed.
    """
    counts = np.asarray(observed, dtype=np.float64)
    known = np.isfinite(counts) & (counts >= 0)
    gap = np.zeros(len(counts), dtype=np.bool_)
    for start, end in empty_runs(np.where(known, counts, 1.0)):
        others = known.copy()
        others[start:end] = False
        rest_rps = float(counts[others].mean()) if others.any() else 0.0
        if is_gap(end - start, rest_rps) and 2 * (end - start) <= len(counts):
            gap[start:end] = True
    said = [(int((~known).sum()), "unknown"), (int(gap.sum()), "without a request in a busy load")]
    left_out = " and ".join(f"{count} s {what}" for count, what in said if count)
    return History(counts[known & ~gap], left_out and f"{left_out} left out")


def is_gap(empty_s: int, rest_rps: float) -> bool:
    """Whether so many empty seconds in a row are no accident where the others bring `rest_rps`."""
    return empty_s >= SHORTEST_GAP_S and empty_s * rest_rps >= UNLIKELY


def empty_runs(counts: FloatArray) -> list[tuple[int, int]]:
    """[start, end) of every run of seconds without a request."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], counts == 0, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
