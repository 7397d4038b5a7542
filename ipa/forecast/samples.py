"""A trace as windows and what came after them: what predictors are trained on and judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipa.forecast.history import empty_runs, is_gap
from ipa.forecast.outlook import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """`windows` (n, window_s): counts of the seconds before each moment; `came_rps` (n,): the largest second of the
    horizon that begins there; `at_s` (n,): the moments, as seconds of the trace."""

    windows: FloatArray
    came_rps: FloatArray
    at_s: IntArray


def samples(counts: IntArray, start_s: int, end_s: int, *, window_s: int, horizon_s: int, every_s: int = 10) -> Samples:
    """A moment every `every_s` for which window and horizon lie in [start_s, end_s) and touch no gap.

    Windows are views of one copy of `counts`: n · 8 bytes more, not n · window_s · 8, until they are chosen from.
    """
    seconds = np.asarray(counts, dtype=np.float64)
    moments = np.arange(start_s + window_s, end_s - horizon_s + 1, every_s)
    missing = np.concatenate([[0], np.cumsum(gap_seconds(seconds))])
    moments = moments[missing[moments + horizon_s] == missing[moments - window_s]]
    if not len(moments):
        return Samples(np.empty((0, window_s)), np.empty(0), moments)
    windows = np.lib.stride_tricks.sliding_window_view(seconds, window_s)[moments - window_s]
    came = np.lib.stride_tricks.sliding_window_view(seconds, horizon_s)[moments].max(axis=1)
    return Samples(windows, came, moments)


def gap_seconds(counts: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which seconds of a trace lie in a gap: runs too long to be an accident at the mean of its other seconds."""
    gap = np.zeros(len(counts), dtype=np.bool_)
    busy = counts[counts > 0]
    rest_rps = float(busy.mean()) if len(busy) else 0.0
    for start, end in empty_runs(counts):
        gap[start:end] = is_gap(end - start, rest_rps)
    return gap
