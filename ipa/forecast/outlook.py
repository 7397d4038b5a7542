"""What a predictor says: a point forecast, and how far the truth falls from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Errors = tuple[tuple[float, float], ...]

LEVELS = (0.001, 0.01, 0.05, *(k / 10 for k in range(1, 10)), 0.95, 0.98, 0.99, 0.995, 0.999)


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Of n windows: the largest per-second rate within the horizon.

    `errors`: ascending (p, z): with probability p the truth is at most point + z · scale.
    """

    point_rps: FloatArray  # (n,)
    scale_rps: FloatArray  # (n,)
    errors: Errors

    def quantile_rps(self, p: float) -> FloatArray:
        """(n,); linear between the levels of `errors`, flat beyond them, never below 0."""
        levels, z = zip(*self.errors, strict=True)
        return np.maximum(0.0, self.point_rps + float(np.interp(p, levels, z)) * self.scale_rps)


@lru_cache(maxsize=256)
def largest_of(draws: float, centre_z: float = 0.0) -> Errors:
    """The largest of independent normal draws is at most x with probability Φ(x)^draws.

    In standard deviations, counted from `centre_z`: where the point forecast stands.
    """
    return tuple((p, z_of_largest(p, draws) - centre_z) for p in LEVELS)


@lru_cache(maxsize=1024)
def z_of_largest(p: float, draws: float) -> float:
    """Its quantile p, Φ⁻¹(p^(1/draws))."""
    return NormalDist().inv_cdf(p ** (1 / max(1.0, draws)))
