from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.latency.sampling import (
    Rule,
    enough,
    median_interval,
    median_ranks,
    next_look,
    precision,
    quantile,
    summary,
)

RULE = Rule()


@pytest.mark.parametrize("count", [6, 7, 10, 30, 71, 500])
def test_ranks_are_the_tightest_that_hold_the_confidence(count: int) -> None:
    """Oracle: the binomial distribution in whole numbers."""

    def coverage(rank: int) -> float:
        return float(1 - 2 * sum(comb(count, k) for k in range(rank)) / 2**count)

    ranks = median_ranks(count, 0.95)
    assert ranks is not None
    low, high = ranks
    assert low + high == count + 1
    assert coverage(low) >= 0.95 > coverage(low + 1)


def test_known_ranks() -> None:
    """As in printed tables of 95 % intervals of the median."""
    assert median_ranks(10, 0.95) == (2, 9)
    assert median_ranks(30, 0.95) == (10, 21)
    assert median_ranks(70, 0.95) == (27, 44)


@pytest.mark.parametrize("count", range(6))
def test_five_samples_are_too_few(count: int) -> None:
    assert median_ranks(count, 0.95) is None
    assert median_interval([1.0] * count, 0.95) is None


def test_many_samples_do_not_underflow() -> None:
    ranks = median_ranks(20_000, 0.95)
    assert ranks is not None
    assert ranks[0] == pytest.approx(10_000 - 0.98 * 20_000**0.5, abs=1.5)  # the normal approximation


@pytest.mark.parametrize("count", [30, 45, 200])
def test_the_interval_covers_the_median(count: int) -> None:
    """2000 skewed samples of known median: at least 93 % of the 95 % intervals hold it."""
    rng = np.random.default_rng(7)
    median = float(np.log(2))
    held = 0
    for samples in rng.exponential(size=(2000, count)):
        interval = median_interval(list(samples), 0.95)
        assert interval is not None
        held += interval[0] <= median <= interval[1]
    assert held / 2000 >= 0.93


def test_the_stopping_rule_keeps_the_coverage() -> None:
    """Stopped where the profiler stops (looks at growing counts), at least 93 % of 500 runs hold the median."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(500):
        samples: list[float] = []
        while not enough(samples, 60.0, RULE):
            more = next_look(len(samples), RULE) - len(samples)
            samples += list(0.010 + rng.exponential(0.002, size=more))
        low, high = median_interval(samples, RULE.confidence) or (0.0, 0.0)
        held += low <= 0.010 + 0.002 * np.log(2) <= high
    assert held / 500 >= 0.93


def test_equal_latencies_are_enough_after_both_minima() -> None:
    assert not enough([0.1] * 29, 2.9, RULE), "29 repeats"
    assert not enough([0.01] * 30, 0.3, RULE), "0.3 s"
    assert enough([0.1] * 30, 3.0, RULE)


def test_a_wide_median_is_not_enough() -> None:
    latencies_s = [0.1, 0.2] * 50
    assert precision(latencies_s, 0.95) == pytest.approx(1 / 3)  # 0.1…0.2 about 0.15
    assert not enough(latencies_s, 15.0, RULE)


def test_the_looks_grow_by_half() -> None:
    counts = [0]
    while len(counts) < 5:
        counts.append(next_look(counts[-1], RULE))
    assert counts == [0, 30, 45, 68, 102]


@given(st.lists(st.floats(0.0, 1e3), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    ordered = sorted(values)
    assert quantile(ordered, share) == pytest.approx(float(np.quantile(ordered, share)), abs=1e-9)


def test_a_summary_by_hand() -> None:
    point = summary([0.3, 0.1, 0.2], elapsed_s=0.75, batch=4, rule=RULE)
    assert point.mean_s == pytest.approx(0.2)
    assert point.p50_s == 0.2
    assert point.p95_s == pytest.approx(0.29)
    assert point.p99_s == pytest.approx(0.298)
    assert (point.requests, point.throughput_rps) == (12, 16.0)
    assert point.precision is None, "3 samples carry no interval at 95 %"
