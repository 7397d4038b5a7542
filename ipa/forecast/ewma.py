"""A smoothed level, plus what the largest of the coming seconds stands above it.

The counts of seconds are taken as a level that wanders (the local-level model, whose optimal forecast is the
exponentially weighted mean: Muth 1960, JASA 55) and noise around it. The median of the largest of h normal draws
stands Φ⁻¹(½^(1/h)) standard deviations above the level, 1.8 for 20 s: nothing is left to tune to a horizon.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt

import numpy as np

from ipa.forecast.noise import noise_rps
from ipa.forecast.outlook import FloatArray, Outlook, largest_of, z_of_largest

# Chosen on the first fourteen days of the Twitter trace: by the error at 10, 20 and 60 s, counts divided by 1 and by 8,
# and by late requests against cores in backtests of four of their most uneven spans.
SMOOTHING = 0.08
QUICK = 0.4
DOUBT = 0.75
"""Standard deviations by which the quick mean has to stand above the slow one before it counts: its own are a half."""
GROWTH = 1.5
"""What stands above the slow mean then goes on growing, by half of itself."""
WANDERING = SMOOTHING**2 / (1 - SMOOTHING)
"""Variance of the level's steps ÷ variance of the noise, for which SMOOTHING is optimal."""


def predict(windows: FloatArray, horizon_s: float) -> Outlook:
    noise = noise_rps(windows)
    # The last two or three seconds count at once where they stand out of their own noise: a burst does not wait for
    # the slow mean, and its end is not believed before that does.
    slow = _mean(windows, SMOOTHING)
    level = slow + GROWTH * np.maximum(0.0, _mean(windows, QUICK) - DOUBT * noise - slow)
    # Noise, the level's own error, and how far its mean over the horizon wanders.
    scale = noise * sqrt(1 + SMOOTHING + WANDERING * horizon_s / 3)
    above = z_of_largest(0.5, horizon_s)
    return Outlook(level + above * scale, scale, largest_of(horizon_s, above))


def _mean(windows: FloatArray, smoothing: float) -> FloatArray:
    weighted: FloatArray = windows @ _weights(windows.shape[1], smoothing)
    return weighted


@lru_cache(maxsize=512)
def _weights(seconds: int, smoothing: float) -> FloatArray:
    """Of each second in its exponentially weighted mean, which starts at the first of them."""
    ages = np.arange(seconds - 1, -1, -1)
    weights: FloatArray = smoothing * np.power(1.0 - smoothing, ages)
    weights[0] = (1 - smoothing) ** (seconds - 1)
    return weights
