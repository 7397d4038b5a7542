"""What of the observed seconds is used, and what is said of the rest."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.forecast.history import empty_runs, history

second = st.one_of(st.integers(0, 50), st.sampled_from([nan, inf, -1.0, 0]))


def test_a_whole_window_is_used_as_it_is() -> None:
    found = history([3, 0, 4, 5])
    assert (found.counts.tolist(), found.left_out) == ([3, 0, 4, 5], "")


def test_seconds_nobody_counted_are_left_out_and_said() -> None:
    found = history([3, nan, -1, 5, inf])
    assert (found.counts.tolist(), found.left_out) == ([3, 5], "3 s unknown left out")


@pytest.mark.parametrize("start", [0, 30, 90])
def test_a_gap_in_a_busy_load_is_left_out_wherever_it_lies(start: int) -> None:
    observed = [20] * start + [0] * 30 + [20] * (90 - start)
    found = history(observed)
    assert found.counts.tolist() == [20] * 90
    assert found.left_out == "30 s without a request in a busy load left out"


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        ([20] * 30 + [0] * 90, "it fills more than half of the window: the load is gone"),
        ([20] * 111 + [0] * 9, "nine seconds are a pause"),
        ([0, 0, 0, 0, 1] * 24, "a quiet load has empty seconds"),
        (([1] + [0] * 19) * 6, "twenty in a row are likely at one request in twenty seconds"),
        ([0] * 120, "no request at all"),
    ],
)
def test_empty_seconds_that_say_something_are_believed(observed: list[int], why: str) -> None:
    found = history(observed)
    assert found.counts.tolist() == observed, why
    assert found.left_out == ""


@given(st.lists(second, max_size=130))
@settings(deadline=None)
def test_what_is_used_was_observed_in_that_order(observed: list[float]) -> None:
    found = history(observed).counts.tolist()
    rest = iter(observed)
    assert all(any(count == each for each in rest) for count in found)
    assert len(found) <= len(observed)
    assert all(count >= 0 for count in found)


@given(st.lists(st.integers(0, 1), max_size=60))
def test_runs_are_all_the_empty_seconds_in_one_piece_each(counts: list[int]) -> None:
    runs = empty_runs(np.array(counts, dtype=float))
    assert [k for start, end in runs for k in range(start, end)] == [k for k, count in enumerate(counts) if not count]
    assert all(a[1] < b[0] for a, b in pairwise(runs))
