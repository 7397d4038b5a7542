"""The predictors one by one, against what can be worked out by hand or drawn at random."""

from __future__ import annotations

from math import pi, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from ipa.forecast import PREDICTORS, ar, ewma
from ipa.forecast.noise import noise_rps
from ipa.forecast.outlook import LEVELS, Outlook, largest_of, z_of_largest

Floats = NDArray[np.float64]


def outlook(name: str, counts: list[int] | Floats, horizon_s: float = 20.0) -> Outlook:
    return PREDICTORS[name].make(None)(np.array([counts], dtype=float), horizon_s)


def point_rps(name: str, counts: list[int], horizon_s: float = 20.0) -> float:
    return float(outlook(name, counts, horizon_s).point_rps[0])


def test_last_max_and_mean() -> None:
    assert point_rps("last", [5, 9, 7]) == 7
    assert point_rps("max", [5, 9, 7]) == 9
    assert point_rps("mean", [5, 9, 7]) == 7


def test_the_largest_of_draws_has_the_quantiles_of_simulated_ones() -> None:
    drawn = np.random.default_rng(3).standard_normal((40_000, 20)).max(axis=1)
    for p, z in largest_of(20.0):
        if 0.01 <= p <= 0.99:
            assert np.quantile(drawn, p) == pytest.approx(z, abs=0.03)
    assert [p for p, _ in largest_of(20.0)] == list(LEVELS)


def test_ewma_is_the_slow_mean_plus_the_median_of_the_largest() -> None:
    counts = [10 + (k % 2) for k in range(120)]  # successive differences of 1
    slow = 10.0
    for count in counts[1:]:
        slow += ewma.SMOOTHING * (count - slow)
    wander = ewma.SMOOTHING**2 / (1 - ewma.SMOOTHING) * 20 / 3
    above = NormalDist().inv_cdf(0.5 ** (1 / 20)) * sqrt(pi) / 2 * sqrt(1 + ewma.SMOOTHING + wander)
    assert point_rps("ewma", counts) == pytest.approx(slow + above)


@pytest.mark.parametrize("horizon_s", [5.0, 20.0, 60.0])
def test_on_steady_poisson_loads_the_ewma_is_a_little_above_the_median(horizon_s: float) -> None:
    """It allows for a level that wanders, which this one does not, the more the longer the horizon."""
    draws = np.random.default_rng(4).poisson(100, (4000, 120 + int(horizon_s))).astype(float)
    windows, came = draws[:, :120], draws[:, 120:].max(axis=1)
    found = ewma.predict(windows, horizon_s)
    assert 0.45 < np.mean(came <= found.point_rps) < 0.65
    assert 0.85 < np.mean(came <= found.quantile_rps(0.9)) < 0.96


def test_a_burst_counts_within_seconds_and_its_end_is_not_believed_at_once() -> None:
    low = list(np.random.default_rng(5).poisson(10, 115))
    assert point_rps("ewma", [*low, 40, 40, 40]) > 36
    high = list(np.random.default_rng(5).poisson(40, 115))
    assert point_rps("ewma", [*high, 10, 10, 10]) > 36


@pytest.mark.parametrize("deviation", [5.0, 100.0])
def test_noise_is_the_deviation_and_neither_a_drift_nor_a_step_enters_much(deviation: float) -> None:
    draws = np.random.default_rng(6).normal(1000, deviation, (200, 120))
    step = np.where(np.arange(120) < 60, 0, 10 * deviation)
    assert float(noise_rps(draws).mean()) == pytest.approx(deviation, rel=0.02)
    assert float(noise_rps(draws + np.arange(120) * deviation / 10).mean()) == pytest.approx(deviation, rel=0.02)
    assert float(noise_rps(draws + step).mean()) == pytest.approx(deviation, rel=0.1)


def test_a_scatter_like_that_of_poisson_arrivals_is_taken_as_theirs() -> None:
    windows = np.random.default_rng(7).poisson(64, (1000, 120)).astype(float)
    assert np.mean(noise_rps(windows) == np.sqrt(windows.mean(axis=1))) > 0.98
    assert noise_rps(np.array([[16.0]]))[0] == 4


def test_ar_continues_an_exact_recursion() -> None:
    maxima = [100.0]
    for _ in range(11):
        maxima.append(20 + 0.7 * maxima[-1])
    counts = np.repeat(maxima, ar.BLOCK_S)
    following = 20 + 0.7 * maxima[-1]
    assert float(outlook("ar", counts, 10.0).point_rps[0]) == pytest.approx(following)
    assert float(outlook("ar", counts[::-1], 10.0).point_rps[0]) >= 0


def test_ar_does_not_run_away_from_an_exploding_window() -> None:
    counts = np.repeat(1.6 ** np.arange(12), ar.BLOCK_S)
    assert float(outlook("ar", counts, 600.0).point_rps[0]) < 100 * counts[-1]


def test_z_of_the_median_of_one_draw_is_zero() -> None:
    assert z_of_largest(0.5, 1.0) == 0
    assert z_of_largest(0.5, 0.2) == 0  # less than a second is still one second
