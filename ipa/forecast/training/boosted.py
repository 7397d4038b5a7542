"""Training the boosted trees: one set of trees for every horizon and damping, stopped by the seconds held back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ipa.forecast.boosted import COLUMNS, NAME, rows, trees_of
from ipa.forecast.features import SMALLEST_RPS, features
from ipa.forecast.model_file import ModelFile, Split, digest
from ipa.forecast.outlook import Errors, FloatArray, IntArray
from ipa.forecast.training.held_back import WINDOW_S, check, drawn, relative_errors

HORIZONS_S = (10, 20, 60)
DAMPINGS = (1, 8)

# Chosen on days 12–14 of the Twitter trace after fitting days 1–11.
ROUNDS, PATIENCE = 500, 30
PARAMETERS = {
    "objective": "l1",  # of a log-ratio: very nearly SMAPE, and its forecast is the median
    "learning_rate": 0.1,
    "num_leaves": 31,
    "max_depth": 7,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    # one seed, one model: the library's own conditions for it
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}

Part = tuple[FloatArray, FloatArray, FloatArray]
"""Rows for the trees, levels and largest seconds of samples."""


def train(counts: IntArray, split: Split, seed: int) -> ModelFile:
    """Trees fitted to [start_s, held_back_s) of `counts`, as many as serve [held_back_s, end_s) best."""
    import lightgbm

    check(counts, split)
    fitted = _parts(counts, split.start_s, split.held_back_s)
    held_back = _parts(counts, split.held_back_s, split.end_s)
    known = lightgbm.Dataset(*_pooled(fitted))
    booster = lightgbm.train(
        {**PARAMETERS, "seed": seed},
        known,
        num_boost_round=ROUNDS,
        valid_sets=[known.create_valid(*_pooled(held_back))],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    chosen = payload(booster.dump_model(num_iteration=booster.best_iteration)["tree_info"])
    return ModelFile(
        predictor=NAME,
        seed=seed,
        horizons_s=HORIZONS_S,
        dampings=DAMPINGS,
        window_s=WINDOW_S,
        split=split,
        counts_sha256=digest(counts[split.start_s : split.end_s]),
        made_with=f"lightgbm {lightgbm.__version__}",
        errors={horizon_s: _errors(chosen, held_back[horizon_s]) for horizon_s in HORIZONS_S},
        payload=chosen,
    )


def _parts(counts: IntArray, start_s: int, end_s: int) -> dict[int, list[Part]]:
    """Of each horizon, at every damping."""
    return {
        horizon_s: [_part(counts, start_s, end_s, horizon_s, damping) for damping in DAMPINGS]
        for horizon_s in HORIZONS_S
    }


def _part(counts: IntArray, start_s: int, end_s: int, horizon_s: int, damping: int) -> Part:
    found = drawn(counts, start_s, end_s, horizon_s, damping)
    level, looked_at = features(found.windows)
    return rows(looked_at, horizon_s), level, found.came_rps


def _pooled(parts: dict[int, list[Part]]) -> tuple[FloatArray, FloatArray]:
    """Rows and targets, ln(largest second ÷ level); one of no request is taken as SMALLEST_RPS."""
    every = [part for of_horizon in parts.values() for part in of_horizon]
    targets = [np.log(np.maximum(came, SMALLEST_RPS) / level) for _looked_at, level, came in every]
    return np.concatenate([looked_at for looked_at, _level, _came in every]), np.concatenate(targets)


def _errors(chosen: dict[str, Any], parts: list[Part]) -> Errors:
    trees = trees_of(chosen)
    forecasts = [level * np.exp(trees(looked_at)) for looked_at, level, _came in parts]
    return relative_errors(np.concatenate(forecasts), np.concatenate([came for *_rest, came in parts]))


def payload(tree_info: list[dict[str, Any]]) -> dict[str, Any]:
    """LightGBM's dump of its trees → the nodes that `trees_of` reads."""
    trees = [list(_preorder(tree["tree_structure"])) for tree in tree_info]
    column, value, right = zip(*(node for tree in trees for node in tree), strict=True)
    sizes = [len(tree) for tree in trees]
    return {"columns": list(COLUMNS), "sizes": sizes, "column": column, "value": value, "right": right}


def _preorder(node: dict[str, Any]) -> Iterator[tuple[int, float, int]]:
    """(column, value, way to the right child) of a node and all below it."""
    if "leaf_value" in node:
        yield 0, node["leaf_value"], 0
        return
    left = list(_preorder(node["left_child"]))
    yield node["split_feature"], node["threshold"], 1 + len(left)
    yield from left
    yield from _preorder(node["right_child"])
