from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipa.dataplane.arrivals import Arrivals


def counted(*at_s: float, since_s: float = 100.0, memory_s: int = 1000) -> Arrivals:
    arrivals = Arrivals(since_s, memory_s)
    for at in at_s:
        arrivals.count(at)
    return arrivals


def test_whole_seconds_are_counted_oldest_first_and_the_running_one_left_out() -> None:
    arrived = counted(100.0, 100.9, 102.5, 103.1).last(120, 103.7)
    assert arrived.until_s == 103.0
    assert arrived.counts == (2, 0, 1)


def test_the_window_bounds_the_counts() -> None:
    assert counted(100.5, 101.5, 102.5).last(2, 103.0).counts == (1, 1)


def test_seconds_before_the_start_are_unknown_not_zero() -> None:
    arrivals = counted(100.9, 101.2, since_s=100.4)
    assert arrivals.last(120, 100.9).counts == ()
    assert arrivals.last(120, 103.0).counts == (1, 0)


def test_memory_is_bounded_and_old_counters_are_reused() -> None:
    arrivals = counted(*(100.5 + second for second in range(35)), memory_s=10)
    assert arrivals.last(120, 135.0).counts == (1,) * 9
    assert arrivals.last(120, 1000.0).counts == (0,) * 9


@given(st.lists(st.floats(100, 140), max_size=50), st.integers(1, 60))
def test_every_arrival_of_the_window_is_counted_once(at_s: list[float], window: int) -> None:
    arrived = counted(*at_s).last(window, 150.0)
    assert sum(arrived.counts) == sum(150 - window <= at for at in at_s)
