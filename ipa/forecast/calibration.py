"""Quantiles that keep their promise: a forecast bound is moved until the share of loads beneath it is what was asked.

Quantile tracking (Angelopoulos, Candès, Tibshirani 2023, "Conformal PID control", section 2.1): a miss raises the
bound by STEP · p, a hit lowers it by STEP · (1 − p). Whatever the load does, over T forecasts the covered share is
within (largest offset + STEP) / (STEP · T) of p: no assumption on the load, none on the predictor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from ipa.forecast.outlook import Outlook

STEP = 0.1
"""In units of the outlook's own spread."""
LEAST_UNIT = 0.01
"""Of the point forecast: a window without any noise must not pin the bound."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What was announced at `at_s`: within `horizon_s` no second brings more than `rate_rps`."""

    at_s: float
    horizon_s: float
    rate_rps: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`offset`: what the misses so far add, in units; `waiting`: bounds whose horizon has not passed."""

    offset: float = 0.0
    waiting: tuple[Bound, ...] = ()
    judged: int = 0
    covered: int = 0


def bound_rps(calibration: Calibration, outlook: Outlook, p: float) -> float:
    """The quantile p of one window's outlook, corrected by what was learnt."""
    return max(0.0, float(outlook.quantile_rps(p)[0]) + calibration.offset * _unit_rps(outlook))


def _unit_rps(outlook: Outlook) -> float:
    spread = float(outlook.quantile_rps(0.9)[0] - outlook.quantile_rps(0.1)[0])
    return max(spread, LEAST_UNIT * float(outlook.point_rps[0]))


def announced(calibration: Calibration, bound: Bound) -> Calibration:
    return replace(calibration, waiting=(*calibration.waiting, bound))


def settled(calibration: Calibration, observed: Sequence[float], at_s: float, p: float) -> Calibration:
    """Every bound whose horizon has passed is judged by the seconds `observed` since; one that they no longer reach,
    or whose seconds nobody counted, is forgotten."""
    for bound in calibration.waiting:
        passed = floor(at_s) - floor(bound.at_s)
        if passed < bound.horizon_s:
            break
        calibration = replace(calibration, waiting=calibration.waiting[1:])
        came = observed[len(observed) - passed :][: round(bound.horizon_s)] if passed <= len(observed) else ()
        if came and all(count >= 0 for count in came) and max(came) + bound.rate_rps > 0:  # no load teaches nothing
            calibration = _judged(calibration, covered=max(came) <= bound.rate_rps, p=p)
    return calibration


def _judged(calibration: Calibration, *, covered: bool, p: float) -> Calibration:
    return replace(
        calibration,
        offset=calibration.offset + STEP * (p - covered),
        judged=calibration.judged + 1,
        covered=calibration.covered + covered,
    )
