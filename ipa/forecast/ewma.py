"""An exponentially weighted mean level, plus a multiple of √level for the largest second to come.

Counts of independent arrivals scatter by √level (Poisson), so level + 2·√level covers nearly every second.
"""

from collections.abc import Sequence
from math import sqrt

SMOOTHING = 0.1
DEVIATIONS = 2.0


def predict(arrivals: Sequence[int], horizon_s: float) -> float:  # noqa: ARG001 (flat: the same at every horizon)
    level = float(arrivals[0])
    for count in arrivals[1:]:
        level += SMOOTHING * (count - level)
    return level + DEVIATIONS * sqrt(level)
