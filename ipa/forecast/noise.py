"""How much the counts of seconds scatter around their level."""

from math import pi, sqrt

import numpy as np

from ipa.forecast.outlook import FloatArray

STANDARD_ERROR = 0.91
"""Of the estimate, ÷ σ/√differences, for normal counts (1·10⁵ simulated windows of 20 to 120 seconds)."""
STANDARD_ERRORS = 2.5


def noise_rps(windows: FloatArray) -> FloatArray:
    """(n,) standard deviation, from the mean size of successive differences, 2σ/√π of independent normal counts.

    Neither a drift nor a single step enters much, as it would with squares. One that cannot be told from that of
    Poisson arrivals, √mean, is taken as that: it is known better than what two minutes can measure.
    """
    poisson: FloatArray = np.sqrt(windows.sum(axis=1) / windows.shape[1])
    if windows.shape[1] < 2:
        return poisson
    steps = np.abs(windows[:, 1:] - windows[:, :-1])
    noise: FloatArray = steps.sum(axis=1) * (sqrt(pi) / 2 / steps.shape[1])
    unsure = STANDARD_ERRORS * STANDARD_ERROR / sqrt(windows.shape[1] - 1)
    return np.where(np.abs(noise - poisson) < unsure * poisson, poisson, noise)
