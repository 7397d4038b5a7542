"""The envelope against a count of every window, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.workload.envelope import LONGEST_S, TICK_S, busiest_rps, envelope, ticks_of, widths

TIMES = st.lists(st.floats(0, 20, allow_nan=False), max_size=120).map(sorted)


@settings(max_examples=150, deadline=None)
@given(times_s=TIMES, first_s=st.sampled_from([0.001, 0.02, 0.13, 1.0, 7.0]))
def test_equals_a_count_of_every_window_of_whole_ticks(times_s: list[float], first_s: float) -> None:
    ticks = ticks_of(np.array(times_s), 0.0, 20.0)
    found = envelope(ticks, widths(first_s)).rates_rps
    in_ticks = [min(int(at_s / TICK_S), len(ticks) - 1) for at_s in times_s if at_s < len(ticks) * TICK_S]
    for width, rate_rps in found.items():
        starts = range(len(ticks) - width + 1)
        # a window that holds the most can be moved right until its first tick has a request
        wanted = [at for at in {*in_ticks, 0, len(ticks) - width} if at in starts]
        most = max(sum(start <= at < start + width for at in in_ticks) for start in wanted)
        assert rate_rps == pytest.approx(most / (width * TICK_S))
    assert set(found) == {width for width in widths(first_s) if width <= len(ticks)}


@settings(max_examples=100, deadline=None)
@given(times_s=TIMES)
def test_is_within_one_tick_of_the_windows_that_begin_anywhere(times_s: list[float]) -> None:
    seen_s = np.array([at_s for at_s in times_s if at_s < 20.0])
    found = envelope(ticks_of(seen_s, 0.0, 20.0), widths(0.5)).rates_rps
    for width, rate_rps in found.items():
        narrower, own = (
            max((int(np.sum((seen_s >= at_s) & (seen_s < at_s + w * TICK_S - 1e-9))) for at_s in seen_s), default=0)
            for w in (width - 1, width)
        )
        count = round(rate_rps * width * TICK_S)
        assert narrower <= count <= own or width == 1 or count <= own


def test_the_windows_double_from_the_first_up_to_a_minute() -> None:
    assert widths(0.11) == (6, 12, 24, 48, 96, 192, 384, 768, 1536)
    assert widths(0.0)[0] == 1
    assert widths(600.0) == (round(LONGEST_S / TICK_S),)


def test_windows_wider_than_what_was_seen_are_unknown_not_small() -> None:
    assert busiest_rps(np.ones(100, dtype=np.int64), 5.0) is None
    assert busiest_rps(np.ones(250, dtype=np.int64), 5.0) == pytest.approx(50.0)


def test_ticks_hold_every_arrival_of_their_time_once() -> None:
    arrivals_s = np.arange(0, 100, 0.037)
    ticks = ticks_of(arrivals_s, 30.0, 90.01)
    assert len(ticks) == 3000
    assert ticks.sum() == np.sum((arrivals_s >= 30.0) & (arrivals_s < 90.0))
    assert len(ticks_of(arrivals_s, 5.0, 5.0)) == 0
