"""Dominance: which rows can still be part of the promised plan, whatever is chosen for the other stages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipa.options import TOLERANCE, Floats, Ints

BLOCK = 64


def undominated(columns: Floats, key: Ints) -> Ints:
    """Indices of the rows that no other row dominates, by falling preference of the first column.

    `columns` has the shape (C, N), smaller is better, and column 0 is subtracted from the objective; `key` (N,) orders
    the rows as ties are broken, without equal values. Row a dominates b if no column of a is larger and a also wins
    the tie that would follow: it is better by more than the tolerance, or comes first in `key`.
    """
    if columns.shape[1] < 2:
        return np.arange(columns.shape[1])
    order = np.lexsort((key, columns[0]))  # so a row is dominated by earlier ones only
    others = columns[1:]
    telling = np.maximum.reduce(others, axis=1) > np.minimum.reduce(others, axis=1)
    rows = np.vstack((columns[:1], others[telling]))[:, order]
    key = key[order]
    kept = np.zeros(0, dtype=np.int64)
    for start in range(0, len(order), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(order)))
        if len(kept):
            block = block[~np.logical_or.reduce(_dominates(rows, key, kept, block), axis=0)]
        among = _dominates(rows, key, block, block) & (block[:, None] < block)
        kept = np.concatenate((kept, block[~np.logical_or.reduce(among, axis=0)]))
    return order[kept]


def tie_key(weight: Floats, name: Floats) -> Ints:
    """Ranks (N,) in the order in which ties are broken: smaller weight first, then earlier name; none equal."""
    key = np.empty(len(weight), dtype=np.int64)
    key[np.lexsort((name, weight))] = np.arange(len(weight))
    return key


def _dominates(rows: Floats, key: Ints, by: Ints, of: Ints) -> NDArray[np.bool_]:
    """For each row of `by` (none after a row of `of` in the order) and each of `of`, whether it dominates that."""
    ours, theirs = rows[:, by, None], rows[:, None, of]
    found = (key[by, None] < key[of]) | (ours[0] < theirs[0] - 2 * TOLERANCE)
    for column in range(1, len(rows)):
        found &= ours[column] <= theirs[column]
    return np.asarray(found)
