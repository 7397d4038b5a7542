"""Predictors side by side on the part of a trace that none of them has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ipa.forecast import Predictor
from ipa.forecast.outlook import FloatArray, Outlook
from ipa.forecast.samples import Samples
from ipa.forecast.scores import Interval, block_bootstrap, calibrated, pinball, smape

TIMED = 300
"""Forecasts, one window at a time, over which the time of one is taken."""
TOGETHER = 5_000
"""Windows a call: what a predictor makes of them in between must fit into memory."""


@dataclass(frozen=True, slots=True)
class Score:
    """`smape` in percent; shares and depths in 0…1. `over`: mean excess of the forecasts that were high enough,
    relative to what came; `under_depth`: mean lack of the others. `held`, `held_raw`: share beneath the bound at the
    quantile, calibrated and as predicted. `difference`: SMAPE minus that of the predictor compared against."""

    name: str
    smape: Interval
    difference: Interval | None
    under_share: float
    under_depth: float
    over: float
    pinball_rps: float
    held: float
    held_raw: float
    cpu_us: float


def compare(
    predictors: Mapping[str, Predictor],
    found: Samples,
    horizon_s: int,
    p: float,
    against: str,
    cpu_s: Callable[[], float],
) -> list[Score]:
    """Every predictor on the same windows. `against` names one of them; `cpu_s` is a clock of processor time."""
    outlooks = {name: outlook_of(predict, found.windows, horizon_s) for name, predict in predictors.items()}
    errors = {name: smape(outlook.point_rps, found.came_rps) for name, outlook in outlooks.items()}
    scores = []
    for name, outlook in outlooks.items():
        cpu_us = 1e6 * _call_s(predictors[name], found.windows, horizon_s, cpu_s)
        difference = None if name == against else block_bootstrap(errors[name] - errors[against], found.at_s)
        scores.append(_score(name, outlook, found, horizon_s, p, errors[name], difference, cpu_us))
    return scores


def outlook_of(predict: Predictor, windows: FloatArray, horizon_s: float) -> Outlook:
    parts = [predict(windows[k : k + TOGETHER], horizon_s) for k in range(0, len(windows), TOGETHER)]
    points, scales = ([getattr(part, name) for part in parts] for name in ("point_rps", "scale_rps"))
    return Outlook(np.concatenate(points), np.concatenate(scales), parts[0].errors)


def _score(
    name: str,
    outlook: Outlook,
    found: Samples,
    horizon_s: int,
    p: float,
    errors: FloatArray,
    difference: Interval | None,
    cpu_us: float,
) -> Score:
    came, point = found.came_rps, outlook.point_rps
    under = came > point
    bounds = calibrated(outlook, came, found.at_s, horizon_s, p)
    relative = np.abs(came - point) / np.maximum(came, 1.0)
    return Score(
        name=name,
        smape=block_bootstrap(errors, found.at_s),
        difference=difference,
        under_share=float(under.mean()),
        under_depth=float(relative[under].mean()) if under.any() else 0.0,
        over=float(relative[~under].mean()) if not under.all() else 0.0,
        pinball_rps=float(pinball(bounds, came, p).mean()),
        held=float((came <= bounds).mean()),
        held_raw=float((came <= outlook.quantile_rps(p)).mean()),
        cpu_us=cpu_us,
    )


def _call_s(predict: Predictor, windows: FloatArray, horizon_s: float, cpu_s: Callable[[], float]) -> float:
    """Processor seconds of one forecast as the loop asks for it; the first call, which may compile, is not counted."""
    chosen = windows[:: max(1, len(windows) // TIMED)][:TIMED]
    predict(chosen[:1], horizon_s)
    began_s = cpu_s()
    for window in chosen:
        predict(window[np.newaxis, :], horizon_s)
    return (cpu_s() - began_s) / len(chosen)
