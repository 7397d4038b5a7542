"""Every predictor: a rate that is a number, flat loads predicted at or a little above themselves."""

from __future__ import annotations

from math import isfinite, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.domain import ForecastSettings
from ipa.forecast import PREDICTORS, forecast

counts = st.lists(st.integers(0, 10_000), min_size=1, max_size=130)


@pytest.mark.parametrize("name", PREDICTORS)
@given(arrivals=counts)
def test_a_forecast_is_a_rate(name: str, arrivals: list[int]) -> None:
    rate_rps = PREDICTORS[name](arrivals, 20.0)
    assert isfinite(rate_rps)
    assert rate_rps >= 0


@pytest.mark.parametrize("name", PREDICTORS)
@given(level=st.integers(0, 10_000), seconds=st.integers(1, 130))
def test_a_constant_load_is_covered_and_not_overstated(name: str, level: int, seconds: int) -> None:
    rate_rps = PREDICTORS[name]([level] * seconds, 20.0)
    assert level - 1e-6 <= rate_rps <= level + 2 * sqrt(level) + 1e-6


def test_ewma_follows_a_step_by_its_smoothing() -> None:
    level = 10 + (1 - 0.9**5) * 30
    assert PREDICTORS["ewma"]([10] * 60 + [40] * 5, 20.0) == pytest.approx(level + 2 * sqrt(level))


def test_last_and_max() -> None:
    assert PREDICTORS["last"]([5, 9, 7], 20.0) == 7
    assert PREDICTORS["max"]([5, 9, 7], 20.0) == 9


def test_the_margin_is_added_and_no_history_gives_no_forecast() -> None:
    settings = ForecastSettings("last", margin=0.5)
    predicted = forecast([10, 20], 20.0, settings)
    assert predicted is not None
    assert predicted.rate_rps == 30.0
    assert predicted.reason == "last of 2 s"
    assert forecast([], 20.0, settings) is None
