"""Prices of resources (Lagrange multipliers) that make a bound tight. Any prices ≥ 0 give a true bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ipa.options import Floats
from ipa.policy.resources import Layer

Bound = Callable[[Floats], Floats]
"""Takes prices (T, resources) to the bounds of the whole problem that they give, (T,)."""

# Prices to try, as multiples: of the scale at first, then of the best so far.
QUICK = (4.0 ** np.arange(-6.0, 4.0), 4.0 ** np.arange(-0.75, 1.0, 0.25))
RADII = (4.0, 2.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.12, 0.06)
THROWS = 24
AROUND = (0.6, 0.8, 1.25, 1.6, 2.5)


def scale_of(gain: float, layers: Sequence[Layer]) -> Floats:
    """For each resource what a price of it might be: all there is to gain over all that can be used."""
    used = np.sum([np.ptp(layer.use, axis=1) for layer in layers], axis=0)
    return np.asarray(np.divide(gain, used, out=np.zeros(len(used)), where=used > 0))


def by_coordinates(bound: Bound, scale: Floats) -> Floats:
    """Good prices (resources,) by few evaluations, from the `scale_of` the resources."""
    best = np.zeros(len(scale))
    for factors in QUICK:
        for r in range(len(scale)):
            tries = np.tile(best, (len(factors) + 2, 1))
            tries[:-2, r] = (best[r] or scale[r]) * factors
            tries[-1, r] = 0.0
            best = tries[int(bound(tries).argmin())]
    return best


def by_throws(bound: Bound, scale: Floats) -> Floats:
    """Better prices by more evaluations: a bound has kinks where no single coordinate leads down, but throws do."""
    random = np.random.default_rng(0)
    best = scale
    for radius in RADII:
        tries = np.vstack((best, best * np.exp(radius * random.standard_normal((THROWS, len(scale))))))
        best = tries[int(bound(tries).argmin())]
    return best


def around(best: Floats) -> Floats:
    """Prices (N, resources): the best first, then some near it, zero last; what suits one label suits not all."""
    found = [best]
    for r in np.flatnonzero(best).tolist():
        for factor in AROUND:
            other = best.copy()
            other[r] *= factor
            found.append(other)
    return np.array([*found, np.zeros(len(best))])
