"""Windows of counts → what the boosted trees look at: ratios, which mean the same at every scale of the load.

Smoothed levels at eight speeds say where the load stands and where it goes; two measures of noise say how far its
largest second stands above; the level itself tells a load of large numbers, which is smoother, from one of small ones.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ipa.forecast.outlook import FloatArray

LEVEL_SMOOTHING = 0.1
SMOOTHINGS = (0.01, 0.02, 0.04, 0.06, 0.15, 0.25, 0.4, 0.7)
SMALLEST_RPS = 0.5
"""Levels below are taken as this: ratios of hardly anything say nothing."""

NAMES = (*(f"smoothed {each}" for each in SMOOTHINGS), "noise of differences", "deviation", "level")


def features(windows: FloatArray) -> FloatArray:
    """(n, seconds) counts, oldest first → (n, len(NAMES)).

    ln of a smoothed level ÷ level; standard deviations ÷ level, of successive differences (½ E d², which a drift
    does not enter: von Neumann et al. 1941) and of the counts; ln of the level in requests per second.
    """
    smoothed = np.maximum(windows @ _weights(windows.shape[1]), SMALLEST_RPS)
    level = smoothed[:, 0]
    steps = np.diff(windows, axis=1)
    noise = np.sqrt(np.einsum("ij,ij->i", steps, steps) / (2 * max(1, steps.shape[1])))
    found = np.empty((len(windows), len(NAMES)))
    found[:, :-3] = np.log(smoothed[:, 1:] / level[:, None])
    found[:, -3] = noise / level
    found[:, -2] = windows.std(axis=1) / level
    found[:, -1] = np.log(level)
    return found


@lru_cache(maxsize=256)
def _weights(seconds: int) -> FloatArray:
    """(seconds, 1 + smoothings): of each second in its exponentially weighted means; each column sums to 1."""
    ages = np.arange(seconds - 1, -1, -1)[:, None]
    weights = np.power(1.0 - np.array([LEVEL_SMOOTHING, *SMOOTHINGS]), ages)
    summed: FloatArray = weights / weights.sum(axis=0)
    return summed
