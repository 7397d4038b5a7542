"""Segments in a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.errors import UsageError
from ipa.workload.expression import parse
from ipa.workload.trace import Trace, arrival_times, assemble, counts_per_second


def _trace(expression: str, *counts: int) -> Trace:
    return assemble(parse(expression), {"f": np.array(counts, dtype=np.int64)})


def test_segments_follow_each_other() -> None:
    trace = _trace("constant:2x1500ms+f@1:3/2+constant:0x1s", 9, 4, 7)
    times_s = arrival_times(trace, seed=0)
    assert trace.duration_s == pytest.approx(4.5)
    assert trace.expected_requests == 8
    assert times_s[:3].tolist() == [0.0, 0.5, 1.0]
    assert np.bincount((times_s[3:] - 1.5).astype(int)).tolist() == [2, 3]


def test_counts_per_second_of_a_file_are_its_counts() -> None:
    trace = _trace("f", 3, 0, 5, 0)
    assert counts_per_second(arrival_times(trace, 1), trace.duration_s).tolist() == [3, 0, 5, 0]


def test_counts_per_second_end_with_a_part_of_a_second() -> None:
    trace = _trace("constant:2x1500ms")
    assert counts_per_second(arrival_times(trace, 1), trace.duration_s).tolist() == [2, 1]


def test_an_empty_trace_has_its_seconds() -> None:
    trace = _trace("constant:0x3s")
    times_s = arrival_times(trace, 1)
    assert times_s.dtype == np.float64
    assert counts_per_second(times_s, trace.duration_s).tolist() == [0, 0, 0]


def test_a_segment_does_not_depend_on_the_length_of_those_before() -> None:
    short = arrival_times(_trace("poisson:20x10s+poisson:20x10s"), 5)
    long = arrival_times(_trace("poisson:20x20s+poisson:20x10s"), 5)
    assert short[short >= 10] - 10 == pytest.approx(long[long >= 20] - 20)


def test_seeds_and_segments_differ() -> None:
    times_s = arrival_times(_trace("poisson:20x10s+poisson:20x10s"), 0)
    assert not np.array_equal(times_s, arrival_times(_trace("poisson:20x10s+poisson:20x10s"), 1))
    first, second = times_s[times_s < 10], times_s[times_s >= 10] - 10
    assert len(first) != len(second) or not np.allclose(first, second)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["constant:7x1s", "poisson:9x300ms", "gamma:30:cv4x2s", "f", "f@1:2/2"]),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2**40),
)
def test_sorted_inside_and_counted(terms: list[str], seed: int) -> None:
    trace = _trace("+".join(terms), 5, 0, 8)
    times_s = arrival_times(trace, seed)
    assert np.all(np.diff(times_s) >= 0)
    assert np.all((times_s >= 0) & (times_s < trace.duration_s))
    assert counts_per_second(times_s, trace.duration_s).sum() == len(times_s)


def test_more_than_fits_in_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 100,000,000"):
        arrival_times(_trace("poisson:1e9x60s"), 0)


def test_speed_compresses_time_and_keeps_the_requests() -> None:
    trace = _trace("f*4", 3, 0, 5, 1)
    times_s = arrival_times(trace, seed=1)
    assert (trace.duration_s, trace.expected_requests, len(times_s)) == (1.0, 9, 9)
    assert np.array_equal(times_s * 4, arrival_times(_trace("f", 3, 0, 5, 1), seed=1))


@pytest.mark.parametrize("process", ["constant:5x8s", "poisson:5x8s", "gamma:5:cv2x8s"])
def test_a_faster_process_is_the_same_process_in_less_time(process: str) -> None:
    slow, fast = arrival_times(_trace(process), 3), arrival_times(_trace(f"{process}*4"), 3)
    assert fast * 4 == pytest.approx(slow)


def test_longer_than_fits_in_memory_is_refused() -> None:
    with pytest.raises(UsageError, match=r"takes 2e\+08 s; at most 1e\+08 s"):
        arrival_times(_trace("constant:1x100000000s+constant:1x100000000s"), 0)
