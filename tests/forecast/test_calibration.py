"""The share of loads beneath the bound becomes what was asked, whatever the load and however wrong the predictor."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.domain import ForecastSettings
from ipa.forecast.calibration import STEP, Bound, Calibration, announced, bound_rps, settled
from ipa.forecast.forecaster import forecaster
from ipa.forecast.outlook import Outlook, largest_of

HORIZON_S, EVERY_S = 20, 10


def shares(counts: np.ndarray[tuple[int], np.dtype[np.float64]], p: float, predictor: str = "ewma") -> list[bool]:
    """Forecasts every 10 s of the whole trace: whether each bound held."""
    ask = forecaster(ForecastSettings(predictor, quantile=p))
    state, held = Calibration(), []
    for now in range(120, len(counts) - HORIZON_S, EVERY_S):
        found, state = ask.forecast(counts[now - 120 : now].tolist(), HORIZON_S, float(now), state)
        assert found is not None
        held.append(bool(counts[now : now + HORIZON_S].max() <= found.rate_rps))
    return held


@pytest.mark.parametrize("p", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("predictor", ["ewma", "mean", "max"])
def test_coverage_converges_on_a_load_that_wanders(p: float, predictor: str) -> None:
    random = np.random.default_rng(1)
    level = 80 * np.exp(np.cumsum(random.normal(0, 0.01, 20_000)))
    held = shares(random.poisson(level).astype(float), p, predictor)
    assert np.mean(held) == pytest.approx(p, abs=0.015)


@pytest.mark.parametrize("p", [0.8, 0.9, 0.95])
def test_coverage_comes_back_after_an_abrupt_change_of_level_and_of_scatter(p: float) -> None:
    random = np.random.default_rng(2)
    calm, wild = random.poisson(20, 8_000), 5 * random.poisson(20 * random.gamma(2, 0.5, 8_000))
    held = shares(np.concatenate([calm, wild]).astype(float), p)
    assert np.mean(held[len(held) // 2 :]) == pytest.approx(p, abs=0.03)
    assert np.mean(held[-300:]) == pytest.approx(p, abs=0.04)


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.floats(0.05, 0.95))
@settings(deadline=None)
def test_the_covered_share_is_what_the_offset_says(truths: list[bool], p: float) -> None:
    """Summed over all updates: offset = STEP · (p · judged − covered), the guarantee's first line."""
    state = Calibration()
    for k, covered in enumerate(truths):
        state = settled(announced(state, Bound(float(k), 1.0, 5.0)), [4.0 if covered else 6.0], k + 1.0, p)
    assert (state.judged, state.covered) == (len(truths), sum(truths))
    assert state.offset == pytest.approx(STEP * (p * state.judged - state.covered))


def test_a_bound_is_judged_by_its_own_seconds_once_they_have_passed() -> None:
    state = announced(Calibration(), Bound(100.0, 3.0, 10.0))
    assert settled(state, [1, 2, 99], 102.9, 0.9) == state  # its horizon has not passed
    early = settled(state, [99, 10, 9, 8, 99], 104.0, 0.9)  # of these five its own are the second to the fourth
    assert (early.judged, early.covered, early.waiting) == (1, 1, ())
    assert settled(state, [99, 10, 11, 8, 99], 104.2, 0.9).covered == 0


@pytest.mark.parametrize(
    ("observed", "at_s", "why"),
    [([5.0, 5.0], 140.0, "too long ago"), ([5.0, nan, 5.0], 103.0, "nobody counted"), ([0.0] * 3, 103.0, "no load")],
)
def test_a_bound_that_nothing_can_judge_teaches_nothing(observed: list[float], at_s: float, why: str) -> None:
    rate_rps = 0.0 if why == "no load" else 10.0
    found = settled(announced(Calibration(), Bound(100.0, 3.0, rate_rps)), observed, at_s, 0.9)
    assert found == Calibration(), why


def test_an_offset_moves_the_bound_even_where_the_window_had_no_noise() -> None:
    still = Outlook(np.array([50.0]), np.array([0.0]), largest_of(20.0))
    assert bound_rps(Calibration(), still, 0.9) == 50
    assert bound_rps(Calibration(offset=4.0), still, 0.9) > 50
    assert bound_rps(Calibration(offset=-1e6), still, 0.9) == 0
