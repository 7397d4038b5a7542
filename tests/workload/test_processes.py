"""One contract for every arrival process, and an independent oracle for each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.workload.processes import PROCESSES, FloatArray, count_arrivals, process_arrivals


def _arrivals(kind: str, rate_rps: float, cv: float, duration_s: float, seed: int) -> FloatArray:
    return process_arrivals(kind, rate_rps, cv, duration_s, np.random.default_rng(seed))


def _cv(kind: str) -> float:
    fixed = PROCESSES[kind].cv
    return 4.0 if fixed is None else fixed


@pytest.mark.parametrize("kind", PROCESSES)
@settings(deadline=None)
@given(rate_rps=st.floats(0, 200), duration_s=st.floats(1e-3, 20), seed=st.integers(0, 2**32))
def test_contract_sorted_within_the_duration_and_the_same_for_a_seed(
    kind: str, rate_rps: float, duration_s: float, seed: int
) -> None:
    times_s = _arrivals(kind, rate_rps, _cv(kind), duration_s, seed)
    assert times_s.dtype == np.float64
    assert np.all(np.diff(times_s) >= 0)
    assert np.all((times_s >= 0) & (times_s < duration_s))
    assert np.array_equal(times_s, _arrivals(kind, rate_rps, _cv(kind), duration_s, seed))


@pytest.mark.parametrize("kind", PROCESSES)
@pytest.mark.parametrize("rate_rps", [2.5, 20.0, 400.0])
def test_contract_mean_rate_within_five_deviations(kind: str, rate_rps: float) -> None:
    duration_s = 2000.0
    expected = rate_rps * duration_s
    # a renewal process has a count of variance cv² × mean; one more for the even process' rounding
    allowed = 5 * _cv(kind) * math.sqrt(expected) + 1
    assert abs(len(_arrivals(kind, rate_rps, _cv(kind), duration_s, 7)) - expected) <= allowed


@pytest.mark.parametrize("kind", PROCESSES)
def test_contract_nothing_arrives_at_rate_zero(kind: str) -> None:
    assert len(_arrivals(kind, 0.0, _cv(kind), 60.0, 0)) == 0


def test_constant_is_evenly_spaced() -> None:
    assert _arrivals("constant", 2.5, 0.0, 2.0, 0).tolist() == [0.0, 0.4, 0.8, 1.2, 1.6]


def test_poisson_gaps_are_exponential_and_seconds_are_poisson() -> None:
    times_s = _arrivals("poisson", 20.0, 1.0, 5000.0, 1)
    gaps_s = np.sort(np.diff(times_s))
    steps = np.arange(1, len(gaps_s) + 1) / len(gaps_s)
    distance = np.max(np.abs(steps - (1 - np.exp(-20.0 * gaps_s))))
    assert distance < 1.95 / math.sqrt(len(gaps_s))  # Kolmogorov–Smirnov at 0.1 %
    counts = np.bincount(times_s.astype(int), minlength=5000)
    assert counts.mean() == pytest.approx(20, abs=5 * math.sqrt(20 / 5000))
    assert counts.var() / counts.mean() == pytest.approx(1, abs=5 * math.sqrt(2 / 5000))


def test_gamma_gaps_have_their_mean_and_variation() -> None:
    gaps_s = np.diff(_arrivals("gamma", 20.0, 4.0, 50_000.0, 2))
    assert gaps_s.mean() == pytest.approx(1 / 20, rel=0.03)
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(4, rel=0.05)


def test_gamma_of_variation_one_is_poisson() -> None:
    gaps_s = np.sort(np.diff(_arrivals("gamma", 20.0, 1.0, 5000.0, 3)))
    steps = np.arange(1, len(gaps_s) + 1) / len(gaps_s)
    assert np.max(np.abs(steps - (1 - np.exp(-20.0 * gaps_s)))) < 1.95 / math.sqrt(len(gaps_s))


def test_gamma_is_stationary_no_second_starts_with_a_burst() -> None:
    """Over many short segments, the first tenth holds a tenth of the arrivals; a plain first gap would put far more
    there: it starts every segment with an arrival of a burst."""
    firsts, all_arrivals = 0, 0
    for seed in range(4000):
        times_s = _arrivals("gamma", 20.0, 4.0, 1.0, seed)
        firsts += int(np.count_nonzero(times_s < 0.1))
        all_arrivals += len(times_s)
    assert all_arrivals / 4000 == pytest.approx(20, rel=0.1)
    assert firsts / all_arrivals == pytest.approx(0.1, rel=0.2)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 2**32))
def test_counts_are_kept_to_the_second(counts: list[int], seed: int) -> None:
    times_s = count_arrivals(np.array(counts, dtype=np.int64), np.random.default_rng(seed))
    assert np.all(np.diff(times_s) >= 0)
    assert np.bincount(times_s.astype(int), minlength=len(counts)).tolist() == counts


def test_counts_are_spread_uniformly() -> None:
    times_s = count_arrivals(np.full(1000, 20, dtype=np.int64), np.random.default_rng(4))
    parts = np.sort(times_s % 1)
    steps = np.arange(1, len(parts) + 1) / len(parts)
    assert np.max(np.abs(steps - parts)) < 1.95 / math.sqrt(len(parts))
