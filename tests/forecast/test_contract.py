"""Every predictor that needs no training: rates that are numbers, flat loads predicted at themselves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.forecast import PREDICTORS, Predictor
from ipa.forecast.outlook import LEVELS

NAMES = list(PREDICTORS)
SECONDS = 130
counts = st.lists(st.integers(0, 10_000), min_size=SECONDS, max_size=SECONDS)


def predictor(name: str) -> Predictor:
    return PREDICTORS[name].make(None)


@pytest.mark.parametrize("name", NAMES)
@given(arrivals=counts, horizon_s=st.sampled_from([1.0, 10.0, 20.0, 60.0, 7.5]), data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_forecast_is_a_rate_and_its_quantiles_rise(
    name: str, arrivals: list[int], horizon_s: float, data: st.DataObject
) -> None:
    seconds = data.draw(st.integers(PREDICTORS[name].history_s, SECONDS))
    found = predictor(name)(np.array([arrivals[-seconds:]], dtype=float), horizon_s)
    assert found.point_rps.shape == found.scale_rps.shape == (1,)
    assert np.isfinite(found.point_rps[0])
    assert found.point_rps[0] >= 0
    quantiles = [float(found.quantile_rps(p)[0]) for p in LEVELS]
    assert all(0 <= low <= high + 1e-9 for low, high in pairwise(quantiles))
    assert np.isfinite(quantiles).all()


@pytest.mark.parametrize("name", NAMES)
@given(level=st.integers(0, 10_000), horizon_s=st.sampled_from([10.0, 20.0, 60.0]))
@settings(deadline=None, max_examples=20)
def test_a_constant_load_is_predicted_as_it_is(name: str, level: int, horizon_s: float) -> None:
    found = predictor(name)(np.full((1, SECONDS), level, dtype=float), horizon_s)
    assert found.point_rps[0] == pytest.approx(level, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_many_windows_at_once_are_the_same_as_one_by_one(name: str) -> None:
    windows = np.random.default_rng(1).poisson(40, (50, SECONDS)).astype(float)
    together = predictor(name)(windows, 20.0)
    alone = [predictor(name)(window[None, :], 20.0) for window in windows]
    assert together.point_rps == pytest.approx([float(each.point_rps[0]) for each in alone])
    assert together.scale_rps == pytest.approx([float(each.scale_rps[0]) for each in alone])
