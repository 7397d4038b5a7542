"""How uneven arrivals are, from counts per second: the cv of the Gamma process that is as uneven.

Over a time that holds many arrivals the counts of a renewal process have variance / mean = cv² (Cox, Renewal Theory,
1962, ch. 4.5: the index of dispersion). The variance is taken from successive differences, ½ E (c_{i+1} − c_i)²
(von Neumann et al., Annals of Mathematical Statistics 12 (1941)), so that a load that rises or falls, which is for the
forecast to follow, does not count as uneven.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

POISSON = 1.0
FEWEST_S = 10  # fewer seconds say nothing
STEP = 0.5  # of cv²: an estimate from two minutes is no better


def cv_of(counts: Sequence[int]) -> float:
    """Of requests in each whole second, oldest first; Poisson where there are too few, and never less.

    Counts as even as can be say nothing about how the requests fall within their second.
    """
    values = np.array(counts, dtype=np.float64)
    if len(values) < FEWEST_S or not values.any():
        return POISSON
    dispersion = float(np.mean(np.diff(values) ** 2)) / 2 / float(values.mean())
    return float(np.sqrt(max(POISSON, STEP * round(dispersion / STEP))))
