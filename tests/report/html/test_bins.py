"""Fewer points than seconds or turns, and nothing lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.report.html.bins import MOST_POINTS, bin_width_s, bins, mean_over_time, thinned
from ipa.report.html.story import Decision, Second

quantiles = st.none() | st.floats(0, 100)


@st.composite
def seconds(draw: st.DrawFn) -> list[Second]:
    numbers = sorted(draw(st.sets(st.integers(0, 400), max_size=60)))
    found = []
    for number in numbers:
        answered, dropped, failed = (draw(st.integers(0, 50)) for _ in range(3))
        late = draw(st.integers(0, answered))
        p99_s, accuracy, cores = draw(quantiles), draw(st.none() | st.floats(0, 1)), draw(quantiles)
        sent = answered + dropped + failed
        found.append(Second(number, sent, answered, dropped, failed, late, p99_s, p99_s, accuracy, cores))
    return found


@settings(deadline=None, max_examples=60)
@given(seconds(), st.sampled_from([1, 5, 60]))
def test_counts_are_kept_and_the_worst_second_is_seen(rows: list[Second], width_s: int) -> None:
    found = bins(rows, width_s)
    for name in ("sent", "answered", "dropped", "failed", "late"):
        assert sum(getattr(b, name) for b in found) == sum(getattr(s, name) for s in rows)
    worst = max((s.p99_s for s in rows if s.p99_s is not None), default=None)
    assert max((b.p99_s for b in found if b.p99_s is not None), default=None) == worst
    for b in found:
        inside = [s for s in rows if b.at_s <= s.second < b.at_s + width_s]
        right = sum(s.accuracy * s.answered for s in inside if s.accuracy is not None)
        judged = sum(s.answered for s in inside if s.accuracy is not None)
        assert (b.accuracy or 0.0) * judged == pytest.approx(right)


def test_a_bin_of_one_second_is_that_second() -> None:
    (found,) = bins([Second(7, 4, 3, 1, 0, 1, 0.1, 0.2, 0.5, 2.0)], 1)
    assert (found.at_s, found.sent, found.p50_s, found.p99_s, found.accuracy) == (7, 4, 0.1, 0.2, 0.5)
    assert found.missed_share == 0.5


def test_a_bin_without_requests_has_no_missed_share() -> None:
    assert bins([Second(0, 0, 0, 0, 0, 0)], 1)[0].missed_share is None


@given(st.floats(0, 1e7))
def test_bins_are_few(duration_s: float) -> None:
    width_s = bin_width_s(duration_s)
    assert duration_s / width_s <= MOST_POINTS
    assert width_s >= 1


def test_a_run_of_twenty_minutes_has_bins_of_five_seconds() -> None:
    assert bin_width_s(1200) == 5


@pytest.mark.parametrize("turns", [0, 1, MOST_POINTS, MOST_POINTS + 1, 10_000])
def test_thinned_turns_are_few_and_keep_the_peak(turns: int) -> None:
    points = thinned([Decision(float(i), "", rate_rps=float(i % 97)) for i in range(turns)], lambda d: d.rate_rps)
    assert len(points) <= MOST_POINTS
    assert max((value or 0.0 for _, value in points), default=0.0) == (96.0 if turns > 97 else max(0, turns - 1))


def test_a_mean_over_time_weighs_by_how_long_a_value_held() -> None:
    assert mean_over_time(((0.0, 2.0), (10.0, 4.0)), 40.0) == pytest.approx(3.5)
    assert mean_over_time(((0.0, 2.0), (10.0, None)), 40.0) == 2.0
    assert mean_over_time((), 40.0) is None
