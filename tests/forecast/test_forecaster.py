"""The chosen predictor, who steps in for it, and what is said of that."""

from __future__ import annotations

from math import nan

import pytest

from ipa.domain import Forecast, ForecastSettings
from ipa.forecast.calibration import Calibration
from ipa.forecast.forecaster import forecaster


def forecast(observed: list[float], settings: ForecastSettings, horizon_s: float = 20.0) -> Forecast | None:
    return forecaster(settings).forecast(observed, horizon_s, 0.0, Calibration())[0]


def test_the_margin_is_added_and_no_history_gives_no_forecast() -> None:
    settings = ForecastSettings("last", margin=0.5)
    assert forecast([10, 20], settings) == Forecast(30.0, "last of 2 s")
    assert forecast([], settings) is None
    assert forecast([nan, nan], settings) is None


def test_too_few_seconds_are_the_larger_reserves_job_and_it_says_so() -> None:
    found = forecast([10, 30, 20], ForecastSettings("ewma"))
    assert found == Forecast(30.0, "max of 3 s", "max in place of ewma, which needs 10 s, not 3 s")
    found = forecast([20.0] * 30, ForecastSettings("ar"))
    assert found is not None
    assert found.rate_rps == pytest.approx(20)
    assert (found.reason, found.fallback) == ("ewma of 30 s", "ewma in place of ar, which needs 40 s, not 30 s")


def test_what_was_left_out_is_said_beside_who_stepped_in() -> None:
    found = forecast([20.0] * 39 + [nan] * 5, ForecastSettings("ar"))
    assert found is not None
    assert found.fallback == "5 s unknown left out; ewma in place of ar, which needs 40 s, not 39 s"


def test_an_outage_of_the_count_does_not_lower_the_forecast() -> None:
    found = forecast([20.0] * 90 + [0.0] * 30, ForecastSettings("ewma"))
    assert found is not None
    assert found.rate_rps == pytest.approx(20)
    assert found.fallback == "30 s without a request in a busy load left out"


def test_a_quantile_is_above_the_point_and_says_how_it_has_done() -> None:
    ask = forecaster(ForecastSettings("ewma", quantile=0.9))
    window = [float(20 + k % 5) for k in range(120)]
    first, state = ask.forecast(window, 20.0, 0.0, Calibration())
    second, state = ask.forecast(window, 20.0, 30.0, state)
    plain = forecast(window, ForecastSettings("ewma"))
    assert first and second and plain
    assert first.rate_rps > plain.rate_rps
    assert (first.reason, second.reason) == ("ewma, p90 of 120 s", "ewma, p90 (1 of 1 held) of 120 s")
    assert second.rate_rps < first.rate_rps  # a bound that held may be a little lower
