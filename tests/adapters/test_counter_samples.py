"""Counts per second out of scrapes, against requests whose times are known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.counter_samples import Sample, per_second, whole
from ipa.errors import Unavailable


def scraped(arrivals_s: Sequence[float], at_s: Sequence[float], created_s: float | None = None) -> list[Sample]:
    """A counter of the requests at `arrivals_s` (sorted) as seen at the times `at_s`."""
    return [Sample(at, float(bisect_right(arrivals_s, at)), created_s) for at in at_s]


def every(interval_s: float, since_s: float, until_s: float) -> list[float]:
    count = int((until_s - since_s) / interval_s) + 1
    return [since_s + i * interval_s for i in range(count)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=30), st.integers(1, 60))
def test_scrapes_at_every_whole_second_give_the_very_counts(counts: list[int], window_s: int) -> None:
    totals = list(accumulate(counts, initial=1000))
    samples = [Sample(100.0 + i, float(total)) for i, total in enumerate(totals)]
    assert per_second([samples], 0.0, samples[-1].at_s, window_s) == tuple(counts[-window_s:])


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(100.0, 160.0), max_size=200).map(sorted),
    st.sampled_from([0.9, 1.0, 2.5, 5.0, 15.0]),
    st.floats(0.0, 0.99),
)
def test_between_scrapes_the_sum_so_far_is_off_by_what_came_within_one_interval(
    arrivals_s: list[float], interval_s: float, phase: float
) -> None:
    at_s = every(interval_s, 100.0 + phase * interval_s, 160.0)
    counts = per_second([scraped(arrivals_s, at_s)], 0.0, at_s[-1], 1000)
    until = int(at_s[-1])
    first = until - len(counts)
    assert first - 1 < at_s[0] <= first, "seconds that no scrape frames are left out"
    for second, total in zip(range(first, until + 1), accumulate(counts, initial=0), strict=True):
        least = bisect_right(arrivals_s, second - interval_s) - bisect_right(arrivals_s, first)
        most = bisect_right(arrivals_s, second + interval_s) - bisect_right(arrivals_s, first - interval_s)
        assert least - 1 <= total <= most + 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 50), min_size=4, max_size=40), st.data())
def test_restarts_lose_nothing_that_was_scraped(counts: list[int], data: st.DataObject) -> None:
    """A process that starts again counts from 0, be its count then above or below what it was."""
    restart = data.draw(st.integers(1, len(counts) - 1))
    samples = [Sample(200.0 + i, float(sum(counts[: i + 1])), 150.0) for i in range(restart)]
    samples += [
        Sample(200.0 + i, float(sum(counts[restart : i + 1])), 199.5 + restart) for i in range(restart, len(counts))
    ]
    assert per_second([samples], 160.0, samples[-1].at_s, 1000) == tuple(counts[1:])


def test_a_reset_without_a_creation_time_shows_in_a_smaller_count() -> None:
    samples = [Sample(10.0, 100.0), Sample(11.0, 110.0), Sample(12.0, 4.0), Sample(13.0, 9.0)]
    assert per_second([samples], 0.0, 13.0, 60) == (10, 4, 5)


def test_pods_are_summed_up_and_one_that_is_new_counts_from_its_start() -> None:
    old = [Sample(100.0 + i, 7.0 * i, 1.0) for i in range(11)]
    new = [Sample(107.5, 4.0, 105.5), Sample(108.5, 6.0, 105.5), Sample(109.5, 8.0, 105.5)]
    assert per_second([old, new], 50.0, 110.0, 60) == (7, 7, 7, 7, 7, 8, 9, 9, 9)


def test_a_pod_that_left_counts_until_then_and_does_not_hold_the_others_back() -> None:
    left = [Sample(100.0 + i, 3.0 * i) for i in range(6)]
    stays = [Sample(100.0 + i, 2.0 * i) for i in range(11)]
    assert per_second([left, stays], 0.0, 110.0, 60) == (5, 5, 5, 5, 5, 2, 2, 2, 2, 2)


def test_a_pod_whose_scrape_is_due_ends_what_all_know() -> None:
    early = [Sample(at, at) for at in (100.0, 115.0, 130.0)]
    late = [Sample(at, at) for at in (110.0, 125.0, 140.0)]
    assert per_second([early, late], 0.0, 144.0, 10) == (2,) * 10, "the seconds 120 to 130"


@pytest.mark.parametrize(
    ("pods", "now_s", "says"),
    [
        ([], 100.0, "no sample"),
        ([[]], 100.0, "no sample"),
        ([[Sample(99.0, 5.0)]], 100.0, "too few times"),
        ([[Sample(99.2, 5.0), Sample(99.9, 6.0)]], 100.0, "too few times"),
        ([[Sample(88.0, 5.0), Sample(89.0, 6.0)]], 100.0, "11 s old, more than 10 s"),
        ([[Sample(10.0, 5.0), Sample(40.0, 6.0)]], 140.0, "100 s old, more than 90 s"),
    ],
)
def test_what_cannot_be_told_is_no_zero(pods: list[list[Sample]], now_s: float, says: str) -> None:
    with pytest.raises(Unavailable, match=says):
        per_second(pods, 0.0, now_s, 60)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1000), max_size=50))
def test_rates_become_whole_numbers_that_add_up(rates: list[float]) -> None:
    for exact, counted in zip(accumulate(rates), accumulate(whole(rates)), strict=True):
        assert abs(exact - counted) <= 0.5 + 1e-6
