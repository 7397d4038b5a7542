"""Arrivals → rate. A predictor takes the counts of past whole seconds, oldest first, and a horizon in seconds,
and returns the largest per-second rate it expects within the horizon. One file each; PREDICTORS names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ipa.domain import Forecast, ForecastSettings
from ipa.forecast import ewma, last, maximum

Predictor = Callable[[Sequence[int], float], float]

PREDICTORS: dict[str, Predictor] = {
    "ewma": ewma.predict,
    "last": last.predict,
    "max": maximum.predict,
}


def forecast(arrivals: Sequence[int], horizon_s: float, settings: ForecastSettings) -> Forecast | None:
    """The rate to plan for, margin included; None while not one whole second has been observed."""
    if not arrivals:
        return None
    rate_rps = PREDICTORS[settings.predictor](arrivals, horizon_s) * (1 + settings.margin)
    return Forecast(rate_rps, f"{settings.predictor} of {len(arrivals)} s")
