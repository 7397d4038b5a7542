"""How good forecasts were: errors, bounds that held or not, and how sure one can be of a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipa.forecast.calibration import moved, unit_rps
from ipa.forecast.outlook import FloatArray, IntArray, Outlook

BLOCK_S = 3600
"""Errors of neighbouring moments resemble one another: whole hours are drawn, so that intervals are not too narrow."""
BLOCKS = 20
"""At least so many, shorter ones if the moments span fewer hours."""
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def smape(forecast: FloatArray, came: FloatArray) -> FloatArray:
    """(n,) 100 · 2|came − forecast| / (came + forecast) in percent, whose mean is the SMAPE; 0 where both are 0."""
    both = came + forecast
    errors: FloatArray = np.divide(200 * np.abs(came - forecast), both, out=np.zeros_like(both), where=both > 0)
    return errors


def pinball(bound: FloatArray, came: FloatArray, p: float) -> FloatArray:
    """(n,) the loss that the true quantile p minimises: p for each request above the bound, 1 − p below."""
    return np.maximum(p * (came - bound), (p - 1) * (came - bound))


def block_bootstrap(values: FloatArray, at_s: IntArray, seed: int = 0) -> Interval:
    """Of the mean of `values`; of paired differences, if those are given (Künsch 1989, Ann. Stat. 17: blocks)."""
    block_s = max(1, min(BLOCK_S, int(np.ptp(at_s)) // BLOCKS))
    blocks, of_value = np.unique(at_s // block_s, return_inverse=True)
    sums = np.bincount(of_value, weights=values, minlength=len(blocks))
    sizes = np.bincount(of_value, minlength=len(blocks))
    drawn = np.random.default_rng(seed).integers(0, len(blocks), (DRAWS, len(blocks)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    mean = float(values.mean())
    return Interval(mean, min(mean, float(low)), max(mean, float(high)))


def calibrated(outlook: Outlook, came: FloatArray, at_s: IntArray, horizon_s: int, p: float) -> FloatArray:
    """(n,) the bounds that the loop would have announced: each corrected by those whose horizon had passed."""
    quantile, unit = outlook.quantile_rps(p), unit_rps(outlook)
    bounds = np.empty(len(came))
    offset, judged = 0.0, 0
    for k, now_s in enumerate(at_s):
        while judged < k and at_s[judged] + horizon_s <= now_s:
            offset = moved(offset, covered=bool(came[judged] <= bounds[judged]), p=p)
            judged += 1
        bounds[k] = max(0.0, quantile[k] + offset * unit[k])
    return bounds
