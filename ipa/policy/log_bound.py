"""A bound for plans that differ in accuracy more than in cost: the product is bounded apart, by its logarithm.

Σ log factor is a sum, so with a price μ ≥ 0 on each resource the factors still to come multiply to at most
    exp(μ·(ceiling − used) + Σ over the stages from s on of  max (log factor − μ·use)),
and their cost is at least the sum of the stages' least. The bounds of bounds.py price cost and product together but
are loose where a limit leaves only some stages their best variant: the product is convex in what it is spent on.
"""

from __future__ import annotations

import numpy as np

from ipa.options import Floats
from ipa.policy.prices import around, by_throws, scale_of
from ipa.policy.resources import Table


class LogBound:
    """For a table whose weight on the product is positive."""

    def __init__(self, table: Table) -> None:
        self._table = table
        with np.errstate(divide="ignore"):
            self._logs = [np.log(layer.factor) for layer in table.layers]
        scale = scale_of(self._gain(), table.layers)
        best = by_throws(lambda prices: prices @ table.ceilings + self._best(prices)[0], scale)
        self._prices = around(best)
        self._rest = self._best(self._prices)
        least = [np.minimum.reduce(layer.cost) for layer in reversed(table.layers)]
        self._cost = np.cumsum([0.0, *least])[::-1]

    def completion(self, s: int, product: Floats, use: Floats) -> Floats:
        """The most that plans of the first s stages (N of them) can reach, their cost not subtracted."""
        logs = self._prices @ (self._table.ceilings[:, None] - use) + self._rest[s][:, None]
        return np.asarray(self._table.weight * product * np.exp(np.minimum.reduce(logs, axis=0)) - self._cost[s])

    def _best(self, prices: Floats) -> list[Floats]:
        """For prices (N, resources): the priced logarithm the stages from each on reach at most, (N,) each."""
        found = [np.zeros(len(prices))]
        for layer, logs in zip(reversed(self._table.layers), reversed(self._logs), strict=True):
            found.append(found[-1] + np.maximum.reduce(logs - prices @ layer.use, axis=1))
        return found[::-1]

    def _gain(self) -> float:
        """The most by which the logarithms of two plans can differ, but for factors of 0."""
        finite = [logs[np.isfinite(logs)] for logs in self._logs]
        return sum(float(np.ptp(logs)) for logs in finite if len(logs))
