"""Arrivals of several routers, turn by turn."""

from __future__ import annotations

from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.kubernetes.router_counts import RouterCounts, summed_ticks
from ipa.dataplane.arrivals import Arrivals, Arrived
from ipa.errors import Unavailable
from ipa.workload.envelope import TICK_S


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(100.0, 140.0), max_size=60), min_size=1, max_size=4), st.integers(1, 60))
def test_each_second_is_the_sum_over_the_routers(arrivals: list[list[float]], window_s: int) -> None:
    """Asked at different moments of the last two seconds, as turns do."""
    readings = {}
    for i, times in enumerate(arrivals):
        counter = Arrivals(99.5)
        for at in times:
            counter.count(at)
        readings[str(i)] = counter.last(window_s + 5, 141.0 + i / 3)
    counts = RouterCounts().summed(readings, window_s)
    first = 141 - len(counts)
    every = [at for times in arrivals for at in times]
    assert counts == tuple(sum(s <= at < s + 1 for at in every) for s in range(first, 141))
    assert len(counts) == min(window_s, 41)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(100.0, 102.0), max_size=60), max_size=4), st.integers(1, 3))
def test_each_tick_is_the_sum_over_the_routers(arrivals: list[list[float]], window_s: int) -> None:
    readings = []
    for i, times in enumerate(arrivals):
        counter = Arrivals(99.5)
        for at in times:
            counter.count(at)
        readings.append(counter.last_ticks(60, 102.5 + i / 30))
    ticks = summed_ticks(readings, window_s)
    every = [floor(at / TICK_S) for times in arrivals for at in times]
    until = floor(102.5 / TICK_S)
    assert ticks.tolist() == [every.count(tick) for tick in range(until - len(ticks), until)]
    assert len(ticks) == (round(min(window_s, 3) / TICK_S) if arrivals else 0)


def test_a_router_that_is_new_had_counted_nothing_before() -> None:
    readings = {"old": Arrived(110.0, (5,) * 10), "new": Arrived(110.0, (2, 2))}
    assert RouterCounts().summed(readings, 10) == (5,) * 8 + (7, 7)


def test_a_router_that_leaves_is_no_load_that_fell() -> None:
    """What it was last seen to count goes on until its going is noticed; its past stays as long as the window."""
    counts = RouterCounts()
    assert counts.summed({"a": Arrived(110.0, (4,) * 10), "b": Arrived(110.0, (6,) * 10)}, 10) == (10,) * 10
    assert counts.summed({"a": Arrived(120.0, (4,) * 10)}, 10) == (10,) * 10
    assert counts.summed({"a": Arrived(125.0, (9,) * 10)}, 10) == (15,) * 5 + (9,) * 5
    assert counts.summed({"a": Arrived(140.0, (9,) * 10)}, 10) == (9,) * 10


def test_a_router_that_comes_back_is_believed() -> None:
    counts = RouterCounts()
    counts.summed({"a": Arrived(110.0, (4,) * 10), "b": Arrived(110.0, (6,) * 10)}, 10)
    counts.summed({"a": Arrived(115.0, (4,) * 10)}, 10)
    assert counts.summed({"a": Arrived(120.0, (4,) * 10), "b": Arrived(120.0, (1,) * 10)}, 10) == (5,) * 10


def test_a_router_that_started_anew_keeps_what_was_known_of_it() -> None:
    counts = RouterCounts()
    counts.summed({"a": Arrived(110.0, (4,) * 10)}, 10)
    assert counts.summed({"a": Arrived(114.0, (8,))}, 10) == (4,) * 9 + (8,)


def test_nobody_or_clocks_far_apart_are_no_answer() -> None:
    with pytest.raises(Unavailable, match="no router answers"):
        RouterCounts().summed({}, 10)
    with pytest.raises(Unavailable, match="clocks of the routers are 30 s apart"):
        RouterCounts().summed({"a": Arrived(110.0, (1,)), "b": Arrived(140.0, (1,))}, 10)


def test_memory_is_the_windows() -> None:
    counts = RouterCounts()
    for turn in range(100):
        counts.summed({f"pod-{turn}": Arrived(100.0 + 10 * turn, (1,) * 10)}, 20)
    assert sum(len(seconds) for seconds in counts._counts.values()) <= 60
    assert len(counts._ended) <= 4
