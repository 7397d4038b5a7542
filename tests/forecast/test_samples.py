"""Windows of a trace and what came after them, against slices."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.forecast.samples import gap_seconds, samples


@given(st.lists(st.integers(1, 9), min_size=20, max_size=80), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_windows_end_where_their_horizon_begins(counts: list[int], window_s: int, horizon_s: int, every_s: int) -> None:
    start, end = 3, len(counts) - 2
    found = samples(np.array(counts), start, end, window_s=window_s, horizon_s=horizon_s, every_s=every_s)
    assert found.at_s.tolist() == list(range(start + window_s, end - horizon_s + 1, every_s))
    for window, came, at_s in zip(found.windows, found.came_rps, found.at_s, strict=True):
        assert window.tolist() == counts[at_s - window_s : at_s]
        assert came == max(counts[at_s : at_s + horizon_s])


def test_nothing_touches_a_gap() -> None:
    counts = np.array([20] * 60 + [0] * 30 + [20] * 60)
    assert gap_seconds(counts.astype(float)).nonzero()[0].tolist() == list(range(60, 90))
    found = samples(counts, 0, len(counts), window_s=20, horizon_s=10, every_s=1)
    assert found.at_s.tolist() == [*range(20, 51), *range(110, 141)]


def test_a_trace_too_short_has_no_windows() -> None:
    found = samples(np.array([3, 4, 5]), 0, 3, window_s=10, horizon_s=5)
    assert (found.windows.shape, len(found.came_rps), len(found.at_s)) == ((0, 10), 0, 0)
