"""The predictor that a config chose, ready to be asked every turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ipa.domain import Forecast, ForecastSettings
from ipa.forecast import PREDICTORS, Predictor
from ipa.forecast.calibration import Bound, Calibration, announced, bound_rps, settled
from ipa.forecast.history import History, history

RESERVES = ("ewma", "max")
"""Who steps in, in this order, where the seconds are too few for the one that was chosen."""


@dataclass(frozen=True, slots=True)
class Forecaster:
    """`predictors`: the chosen one, then who steps in for it."""

    settings: ForecastSettings
    predictors: tuple[tuple[str, Predictor], ...]

    def forecast(
        self, observed: Sequence[float], horizon_s: float, at_s: float, calibration: Calibration
    ) -> tuple[Forecast | None, Calibration]:
        """The rate to plan for, margin included, and what was learnt; None while no second has been observed.

        With a quantile, bounds announced before are judged first by the seconds that came.
        """
        known = history(observed)
        if not len(known.counts):
            return None, calibration
        name, predict = self._able(len(known.counts))
        outlook = predict(known.counts[np.newaxis, :], horizon_s)
        rate_rps, what = float(outlook.point_rps[0]), name
        p = self.settings.quantile
        if p is not None:
            calibration = settled(calibration, observed, at_s, p)
            rate_rps = bound_rps(calibration, outlook, p)
            calibration = announced(calibration, Bound(at_s, horizon_s, rate_rps))
            what = f"{name}, {_share(calibration, p)}"
        reason = f"{what} of {len(known.counts)} s"
        return Forecast(rate_rps * (1 + self.settings.margin), reason, self._fallback(name, known)), calibration

    def _able(self, seconds: int) -> tuple[str, Predictor]:
        return next((each for each in self.predictors if PREDICTORS[each[0]].history_s <= seconds), self.predictors[-1])

    def _fallback(self, used: str, known: History) -> str:
        """What was not as configured, in words; empty where all was."""
        chosen = self.settings.predictor
        short = f"{used} in place of {chosen}, which needs {PREDICTORS[chosen].history_s} s, not {len(known.counts)} s"
        return "; ".join(filter(None, [known.left_out, "" if used == chosen else short]))


def forecaster(settings: ForecastSettings) -> Forecaster:
    """Raises ConfigError for a model file that does not fit."""
    chosen = settings.predictor
    made = [(chosen, PREDICTORS[chosen].make(settings.model))]
    made += [(name, PREDICTORS[name].make(None)) for name in RESERVES if name != chosen]
    return Forecaster(settings, tuple(made))


def _share(calibration: Calibration, p: float) -> str:
    so_far = f" ({calibration.covered} of {calibration.judged} held)" if calibration.judged else ""
    return f"p{100 * p:g}{so_far}"
