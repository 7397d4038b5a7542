"""Labels: partial plans as columns, extended stage by stage and freed of those that others dominate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ipa.options import Floats, Ints
from ipa.policy.pareto import tie_key, undominated
from ipa.policy.resources import ROUNDING, Layer, Table

EXACT_INTEGER = 2.0**53  # floats hold whole numbers exactly up to here


@dataclass(frozen=True, slots=True)
class Labels:
    """Partial plans as columns of length N; `sums` as in Layer.

    `names` orders them as their servers' names do. `trail` has a pair (parent, option) of arrays for every stage so
    far: the label's row after the stage before, and the option it took.
    """

    sums: Floats
    product: Floats
    names: Floats
    trail: tuple[tuple[Ints, Ints], ...] = ()

    def __len__(self) -> int:
        return len(self.product)

    def only(self, rows: Ints) -> Labels:
        parent, option = self.trail[-1]
        trail = (*self.trail[:-1], (parent[rows], option[rows]))
        return Labels(self.sums[:, rows], self.product[rows], self.names[rows], trail)

    def choices(self, rows: Ints) -> Ints:
        """The options along the trails, as (stages so far, N)."""
        chosen = []
        for parent, option in reversed(self.trail):
            chosen.append(option[rows])
            rows = parent[rows]
        return np.array(chosen[::-1])


def start(table: Table) -> Labels:
    """The one plan of no stages."""
    return Labels(np.zeros((2 + len(table.ceilings), 1)), np.ones(1), np.zeros(1))


def rest(table: Table) -> tuple[Floats, Floats]:
    """Per number of stages chosen and resource: the least the others use, and how much is spare whatever they use."""
    low = [np.minimum.reduce(layer.use, axis=1) for layer in reversed(table.layers)]
    high = [np.maximum.reduce(layer.use, axis=1) for layer in reversed(table.layers)]
    none = np.zeros((1, len(table.ceilings)))
    least, most = (np.vstack((none, np.cumsum(columns, axis=0)))[::-1] for columns in (low, high))
    return least - ROUNDING * np.maximum(1, np.abs(least)), table.ceilings - most


def extended(labels: Labels, layer: Layer, ceilings: Floats) -> Labels:
    """Every label with every option of the next stage, as far as the ceilings allow."""
    if labels.names.max(initial=0.0) * layer.names > EXACT_INTEGER:  # rank them anew before they lose their order
        labels = replace(labels, names=np.unique(labels.names, return_inverse=True)[1].astype(np.float64))
    count = len(layer.options)
    sums = (labels.sums[:, :, None] + layer.sums[:, None, :]).reshape(len(layer.sums), -1)
    fits = np.flatnonzero(np.logical_and.reduce(sums[2:] <= ceilings[:, None], axis=0))
    parent, option = np.divmod(fits, count)
    return Labels(
        sums[:, fits],
        labels.product[parent] * layer.factor[option],
        labels.names[parent] * layer.names + layer.server[option],
        (*labels.trail, (parent, layer.options[option])),
    )


def survivors(labels: Labels, spare: Floats) -> Ints:
    """The labels that may be completed to the promised plan; use below what is spare is as good as none."""
    key = tie_key(labels.sums[1], labels.names)
    use = np.maximum(labels.sums[2:], spare[:, None])
    return undominated(np.vstack((labels.sums[0], -labels.product, use)), key)
