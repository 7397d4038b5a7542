"""How good a partial plan can still become: Lagrangian bounds on the stages to come.

With a price μ ≥ 0 on each resource (Fisher 1981), the best completion of a partial product P is at most
    μ·(ceiling − used) − cost + g_s(P),  g_s(P) = max over the stages from s on of  weight·P·Π factor − Σ (cost + μ·use)
g_s is convex in P, so on a grid of P its chords bound it from above, and it follows from g_{s+1} stage by stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ipa.options import TOLERANCE, Floats, Ints
from ipa.policy.log_bound import LogBound
from ipa.policy.prices import around, by_coordinates, scale_of
from ipa.policy.resources import Layer, Table

GRID = 24
Completion = Callable[[int, Floats, Floats], Floats]
"""(stages chosen, product (N,), use (resources, N)) → (N,): the most that such plans reach, their cost added."""


@dataclass(frozen=True, slots=True)
class _Step:
    """How the grid before a stage (G points) leads into the grid after it, by distinct factor (F of them).

    `order` sorts the options by factor, `starts` is where each factor begins; `chords` takes values on the grid after
    the stage to values at each product of grid point and factor, and has the shape (grid after, G·F).
    """

    order: Ints
    starts: Ints
    chords: Floats


class Bounds:
    """The bounds of one table for prices near the best ones."""

    def __init__(self, table: Table) -> None:
        self._table = table
        low, high = [1.0], [1.0]
        for layer in table.layers:
            low.append(low[-1] * float(layer.factor.min()))
            high.append(high[-1] * float(layer.factor.max()))
        self._low, self._high = low, high
        points = [GRID if high[s] > low[s] else 1 for s in range(len(low))]
        self._grids = [np.linspace(low[s], high[s], points[s]) for s in range(len(low))]
        self._steps = [self._step(s, layer) for s, layer in enumerate(table.layers)]
        self._prices = around(by_coordinates(self._whole, scale_of(self._gain(), table.layers)))
        self._tables = self._tabulate(self._prices)
        size = table.weight + sum(float(np.abs(layer.cost).max()) for layer in table.layers)
        self.margin = 2 * TOLERANCE + 1e-12 * size  # a plan within it of the best may still win the tie

    @cached_property
    def in_turn(self) -> list[Completion]:
        """The bounds, the one most labels fall to first."""
        logs = [LogBound(self._table).completion] if self._table.weight > 0 else []
        return [self.first, *logs, partial(self._completion, slice(1, None))]

    def first(self, s: int, product: Floats, use: Floats) -> Floats:
        """The bound by the best prices alone."""
        return self._completion(slice(0, 1), s, product, use)

    def _completion(self, which: slice, s: int, product: Floats, use: Floats) -> Floats:
        """The most that plans of the first s stages (N of them) can reach by some prices, their cost not subtracted."""
        below, share = self._place(s, product)
        prices = self._prices[which]
        table = self._tables[s][which]
        left, right = table.take(below, axis=1), table.take(np.minimum(below + 1, table.shape[1] - 1), axis=1)
        values = left + (right - left) * share
        values += prices @ (self._table.ceilings[:, None] - use)
        return np.asarray(np.minimum.reduce(values, axis=0))

    def _step(self, s: int, layer: Layer) -> _Step:
        order = np.argsort(layer.factor, kind="stable")
        factors, starts = np.unique(layer.factor[order], return_index=True)
        below, share = self._place(s + 1, np.outer(self._grids[s], factors).ravel())
        points = len(self._grids[s + 1])
        chords, each = np.zeros((points, len(below))), np.arange(len(below))
        chords[below, each] = 1 - share
        chords[np.minimum(below + 1, points - 1), each] += share
        return _Step(order, starts, chords)

    def _place(self, s: int, product: Floats) -> tuple[Ints, Floats]:
        """The grid point at or below each product, and how far it is on the way to the next."""
        cells = len(self._grids[s]) - 1
        if cells == 0:
            return np.zeros(product.shape, dtype=np.int64), np.zeros(product.shape)
        position = np.clip((product - self._low[s]) * (cells / (self._high[s] - self._low[s])), 0, cells)
        below = np.minimum(position.astype(np.int64), cells - 1)
        return below, position - below

    def _tabulate(self, prices: Floats) -> list[Floats]:
        """For prices (N, resources): g before every stage and after the last, each of the shape (N, grid)."""
        found = [np.tile(self._table.weight * self._grids[-1], (len(prices), 1))]
        for layer, step in zip(reversed(self._table.layers), reversed(self._steps), strict=True):
            priced = layer.cost + prices @ layer.use
            cheapest = np.minimum.reduceat(priced[:, step.order], step.starts, axis=1)
            best = (found[-1] @ step.chords).reshape(len(prices), -1, len(step.starts)) - cheapest[:, None, :]
            found.append(best.max(axis=2))
        return found[::-1]

    def _whole(self, prices: Floats) -> Floats:
        """The bound of the whole problem by each of the prices."""
        return prices @ self._table.ceilings + self._tabulate(prices)[0][:, 0]

    def _gain(self) -> float:
        """The most by which two plans' objectives can differ, whatever the limits."""
        product = self._table.weight * (self._high[-1] - self._low[-1])
        return product + sum(float(np.ptp(layer.cost)) for layer in self._table.layers)
