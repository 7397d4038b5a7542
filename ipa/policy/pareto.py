"""Dominance: which rows can still be part of the promised plan, whatever is chosen for the other stages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipa.options import TOLERANCE, Floats, Ints

BLOCK = 256


def undominated(columns: Floats, key: Ints) -> Ints:
    """Indices of the rows that no other row dominates, by falling preference of the first column.

    `columns` has the shape (C, N), smaller is better, and column 0 is subtracted from the objective; `key` (N,) orders
    the rows as ties are broken, without equal values. Row a dominates b if no column of a is larger and a also wins
    the tie that would follow: it is better by more than the tolerance, or comes first in `key`.
    """
    order = np.lexsort((key, columns[0]))  # so a row is dominated by earlier ones only
    telling = columns[1:][np.ptp(columns[1:], axis=1) > 0] if len(order) else columns[:0]
    kept = order[:0]
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        if len(kept):
            block = block[~_dominates(columns[0], telling, key, kept, block).any(axis=0)]
        among = np.triu(_dominates(columns[0], telling, key, block, block))
        kept = np.concatenate((kept, block[~among.any(axis=0)]))
    return kept


def tie_key(weight: Floats, name: Ints) -> Ints:
    """Ranks (N,) in the order in which ties are broken: smaller weight first, then earlier name; none equal."""
    key = np.empty(len(weight), dtype=np.int64)
    key[np.lexsort((name, weight))] = np.arange(len(weight))
    return key


def _dominates(first: Floats, others: Floats, key: Ints, by: Ints, rows: Ints) -> NDArray[np.bool_]:
    """For each row in `by` (none after a row of `rows` in the order) and each in `rows`, whether it dominates that."""
    found = (key[by][:, None] < key[rows]) | (first[by][:, None] < first[rows] - 2 * TOLERANCE)
    for column in others:
        found &= column[by][:, None] <= column[rows]
    return np.asarray(found)
