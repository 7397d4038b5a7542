"""The percentile of a run and its confidence interval, against definitions written out and samples of known law."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np
import pytest

from ipa.policy.sections import most_missed, percentile_s, requests_for


def test_a_constant_latency_is_sure() -> None:
    assert percentile_s(np.full(1000, 0.25), 99) == (0.25, 0.0)


def test_the_percentile_is_the_latency_that_99_of_100_do_not_exceed() -> None:
    latency_s = np.random.default_rng(0).permutation(np.arange(1.0, 1001.0))
    assert percentile_s(latency_s, 99)[0] == 990.0
    assert percentile_s(latency_s, 99.9)[0] == 999.0
    assert most_missed(1000, 99) == 10
    assert most_missed(1000, 99.9) == 1


def test_a_dropped_request_is_infinitely_late() -> None:
    latency_s = np.full(1000, 0.25)
    latency_s[::50] = inf
    assert percentile_s(latency_s, 97)[0] == 0.25
    assert percentile_s(latency_s, 99) == (inf, inf)


def test_drops_in_one_section_leave_the_percentile_unsure() -> None:
    latency_s = np.full(2000, 0.25)
    latency_s[:10] = inf
    assert percentile_s(latency_s, 99) == (0.25, inf)


def test_the_half_width_is_that_of_the_formula() -> None:
    """Section i of 20 is constant i: the whole run's p90 is 18, the sections' own are 1 … 20."""
    value_s, half_width_s = percentile_s(np.repeat(np.arange(1.0, 21.0), 10), 90)
    squares = sum((i - 18) ** 2 for i in range(1, 21)) / 19
    assert value_s == 18
    assert half_width_s == pytest.approx(2.093 * sqrt(squares / 20))


def test_95_of_100_intervals_hold_the_percentile_of_independent_latencies() -> None:
    rng, truth_s = np.random.default_rng(1), log(100)  # p99 of the exponential distribution
    held = 0
    for _ in range(200):
        value_s, half_width_s = percentile_s(rng.exponential(1.0, 20_000), 99)
        held += abs(value_s - truth_s) <= half_width_s
    assert 180 <= held <= 199


@pytest.mark.parametrize(
    ("percentile", "requests"), [(50, 100_000), (99, 100_000), (99.5, 200_000), (99.9, 1_000_000), (99.99, 1_000_000)]
)
def test_a_high_percentile_takes_more_requests_up_to_a_million(percentile: float, requests: int) -> None:
    assert requests_for(percentile) == requests
