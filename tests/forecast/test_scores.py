"""The figures of a comparison, against what can be worked out by hand or is known of random numbers."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from ipa.domain import ForecastSettings
from ipa.forecast import PREDICTORS, ewma
from ipa.forecast.calibration import Calibration
from ipa.forecast.comparison import compare
from ipa.forecast.forecaster import forecaster
from ipa.forecast.samples import samples
from ipa.forecast.scores import BLOCK_S, Interval, block_bootstrap, calibrated, pinball, smape

COUNTS = np.random.default_rng(1).poisson(40 + 20 * np.sin(np.arange(6_000) / 300))
FOUND = samples(COUNTS, 0, len(COUNTS), window_s=120, horizon_s=20)


def test_smape_by_hand() -> None:
    found = smape(np.array([10.0, 30.0, 0.0, 0.0]), np.array([30.0, 10.0, 0.0, 5.0]))
    assert found.tolist() == [100.0, 100.0, 0.0, 200.0]


def test_pinball_by_hand_and_least_at_the_quantile() -> None:
    assert pinball(np.array([5.0, 10.0]), np.array([10.0, 5.0]), 0.9) == pytest.approx([4.5, 0.5])
    came = np.random.default_rng(2).gamma(2, 10, 20_000)
    best = min(range(1, 100), key=lambda bound: float(pinball(np.full(20_000, float(bound)), came, 0.9).mean()))
    assert best == pytest.approx(np.quantile(came, 0.9), abs=1)


def test_independent_values_get_the_normal_interval_and_repeated_ones_a_wider_one() -> None:
    random = np.random.default_rng(3)
    alone = random.normal(5, 2, 400)
    wide = 1.96 * 2 / sqrt(400)
    found = block_bootstrap(alone, np.arange(400) * BLOCK_S)
    assert found.mean == pytest.approx(alone.mean())
    assert (found.high - found.low) / 2 == pytest.approx(wide, rel=0.15)
    # Ten copies of each are no ten times as many observations, as long as a block keeps them together.
    copies = block_bootstrap(np.repeat(alone, 10), np.repeat(np.arange(400) * BLOCK_S, 10))
    assert (copies.high - copies.low) / 2 == pytest.approx(wide, rel=0.15)


def test_an_interval_excludes_zero_on_either_side() -> None:
    assert Interval(1, 0.5, 2).excludes_zero
    assert Interval(-1, -2, -0.5).excludes_zero
    assert not Interval(0.1, -0.5, 0.7).excludes_zero


def test_bounds_of_many_windows_are_those_that_the_loop_announces() -> None:
    together = calibrated(ewma.predict(FOUND.windows, 20.0), FOUND.came_rps, FOUND.at_s, 20, 0.9)
    ask = forecaster(ForecastSettings("ewma", quantile=0.9))
    state, alone = Calibration(), []
    for at_s, window in zip(FOUND.at_s, FOUND.windows, strict=True):
        found, state = ask.forecast(window.tolist(), 20.0, float(at_s), state)
        assert found is not None
        alone.append(found.rate_rps)
    assert together == pytest.approx(alone)


def test_a_comparison_says_of_each_what_its_forecasts_did() -> None:
    names = ("ewma", "max", "last")
    clock = iter(range(100))
    predictors = {name: PREDICTORS[name].make(None) for name in names}
    scores = compare(predictors, FOUND, 20, 0.9, "max", lambda: float(next(clock)))
    assert [score.name for score in scores] == list(names)
    by_name = {score.name: score for score in scores}
    points = FOUND.windows.max(axis=1)
    assert by_name["max"].under_share == pytest.approx(np.mean(FOUND.came_rps > points))
    assert by_name["max"].difference is None
    assert by_name["last"].difference is not None
    gap = by_name["last"].smape.mean - by_name["max"].smape.mean
    assert by_name["last"].difference.mean == pytest.approx(gap)
    assert by_name["last"].difference.excludes_zero
    lack = FOUND.came_rps - points
    assert by_name["max"].under_depth == pytest.approx((lack / FOUND.came_rps)[lack > 0].mean())
    assert all(score.held == pytest.approx(0.9, abs=0.03) for score in scores)
    assert by_name["ewma"].cpu_us == pytest.approx(1e6 / 300)  # a second of the clock for 300 forecasts
