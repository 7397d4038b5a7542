"""Gradient-boosted trees (LightGBM's, fitted to the median) that correct the default predictor.

The trees say ln(largest second of the horizon ÷ what ewma expects). A correction, and not the forecast itself, because
ewma knows what trees cannot learn from one trace: how noise grows with the level, far beyond the levels of the trace.
Walking trees is a few lines of numpy, so a forecast needs no LightGBM: that is for training alone.

The trees know some horizons. Between two of them the correction is interpolated in ln(horizon); beyond, it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from ipa.forecast import ewma
from ipa.forecast.features import NAMES, features
from ipa.forecast.model_file import built, parse
from ipa.forecast.outlook import FloatArray, IntArray, Outlook

NAME = "lightgbm"
HISTORY_S = 60
COLUMNS = (*NAMES, "horizon")
CHUNK = 512
"""Windows walked at once: all their nodes stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """All nodes of all trees in a row, each tree in preorder: the left child of a node is the next one.

    `column`: what a split looks at. `value`: a split's threshold (at most it: left), a leaf's output.
    `left`, `right`: a leaf is its own child, so that walks of any length end in it.
    """

    column: IntArray
    value: FloatArray
    left: IntArray
    right: IntArray
    roots: IntArray
    depth: int

    def __call__(self, rows: FloatArray) -> FloatArray:
        """(n, columns) → (n,): the sum of one leaf of each tree."""
        return np.concatenate([self._walk(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)] or [np.empty(0)])

    def _walk(self, rows: FloatArray) -> FloatArray:
        first = (np.arange(len(rows)) * rows.shape[1])[:, None]
        flat = rows.ravel()
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            below = flat.take(first + self.column.take(node)) <= self.value.take(node)
            node = np.where(below, self.left.take(node), self.right.take(node))
        summed: FloatArray = self.value.take(node).sum(axis=1)
        return summed


def make(content: bytes | None) -> Callable[[FloatArray, float], Outlook]:
    """The predictor of a model file. Raises ConfigError for one that does not fit."""
    model = parse(content, NAME)
    trees = built(model, trees_of)

    def predict(windows: FloatArray, horizon_s: float) -> Outlook:
        known = windows[:, -model.window_s :]
        expected = ewma.predict(known, horizon_s)
        correction = np.exp(_correction(trees, features(known), model.horizons_s, horizon_s))
        return Outlook(correction * expected.point_rps, expected.scale_rps, model.errors_at(horizon_s))

    return predict


def rows(found: FloatArray, horizon_s: float) -> FloatArray:
    """What the trees look at: the features, and ln of the horizon."""
    return np.column_stack([found, np.full(len(found), log(horizon_s))])


def _correction(trees: Trees, found: FloatArray, known_s: tuple[int, ...], horizon_s: float) -> FloatArray:
    within_s = min(max(horizon_s, known_s[0]), known_s[-1])
    if within_s in known_s:
        return trees(rows(found, within_s))
    upper = int(np.searchsorted(known_s, within_s))
    low_s, high_s = known_s[upper - 1], known_s[upper]
    share = log(within_s / low_s) / log(high_s / low_s)
    return (1 - share) * trees(rows(found, low_s)) + share * trees(rows(found, high_s))


def trees_of(payload: Mapping[str, Any]) -> Trees:
    """Of {columns, sizes, column, value, right}: one entry a node, `right` the way to the right child, 0 at a leaf.

    Raises KeyError, TypeError or ValueError for anything else.
    """
    if payload["columns"] != list(COLUMNS):
        raise ValueError(f"columns {payload['columns']} must be {list(COLUMNS)}")
    sizes, column, right = (np.array(payload[key], dtype=np.intp) for key in ("sizes", "column", "right"))
    value = np.array(payload["value"], dtype=np.float64)
    nodes = np.arange(len(value))
    roots = np.cumsum(sizes) - sizes
    if not _sound(sizes, column, right, value):
        raise ValueError("trees must be whole: children after their parents, within their tree, of known columns")
    left = nodes + (right > 0)
    return Trees(column, value, left, nodes + right, roots, _depth(left, nodes + right, roots))


def _sound(sizes: IntArray, column: IntArray, right: IntArray, value: FloatArray) -> bool:
    if not (len(sizes) and (sizes > 0).all() and sizes.sum() == len(value) == len(column) == len(right)):
        return False
    left_in_tree = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(value))  # nodes from each to its tree's end
    within = ((right == 0) | (right > 1)) & (right < left_in_tree) & (column >= 0) & (column < len(COLUMNS))
    return bool(within.all() and np.isfinite(value).all())


def _depth(left: IntArray, right: IntArray, roots: IntArray) -> int:
    """Steps of the longest way from a root to a leaf."""
    depth, node = 0, roots
    while len(node := node[left[node] != node]):
        node, depth = np.concatenate([left[node], right[node]]), depth + 1
    return depth
