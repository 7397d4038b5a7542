"""Training the boosted trees: one set of trees for every horizon and damping, stopped by the seconds held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipa.forecast import ewma
from ipa.forecast.boosted import COLUMNS, NAME, rows, trees_of
from ipa.forecast.features import SMALLEST_RPS, features
from ipa.forecast.model_file import ModelFile, Split, digest
from ipa.forecast.outlook import Errors, FloatArray, IntArray, Outlook
from ipa.forecast.training.held_back import WINDOW_S, check, drawn, quantiles

HORIZONS_S = (10, 20, 60)
DAMPINGS = (1, 8)
THINNINGS = (3, 8)

# Chosen on days 12 to 14 of the Twitter trace after fitting days 1 to 11.
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


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Of n samples: `rows` for the trees, what ewma expects, and what came."""

    rows: FloatArray
    expected: Outlook
    came_rps: FloatArray


def train(counts: IntArray, split: Split, seed: int) -> ModelFile:
    """Trees fitted to [start_s, held_back_s) of `counts`, as many as serve [held_back_s, end_s) best."""
    import lightgbm

    check(counts, split)
    loads = _loads(counts[: split.end_s], seed)
    fitted = _parts(loads, split.start_s, split.held_back_s)
    held_back = _parts(loads, split.held_back_s, split.end_s)
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


def _loads(counts: IntArray, seed: int) -> list[IntArray]:
    """The trace at several sizes: its seconds divided, and its requests thinned.

    Dividing takes the noise away with the load. Of thinned requests each stays with probability 1/k, so that counts
    scatter as those of so few requests do: without them, trees take every small load for a smooth one.
    """
    random = np.random.default_rng(seed)
    divided = [counts // damping for damping in DAMPINGS]
    return divided + [random.binomial(counts, 1 / each) for each in THINNINGS]


def _parts(loads: list[IntArray], start_s: int, end_s: int) -> dict[int, list[Part]]:
    """Of each horizon, at every load."""
    return {horizon_s: [_part(load, start_s, end_s, horizon_s) for load in loads] for horizon_s in HORIZONS_S}


def _part(counts: IntArray, start_s: int, end_s: int, horizon_s: int) -> Part:
    found = drawn(counts, start_s, end_s, horizon_s)
    return Part(rows(features(found.windows), horizon_s), ewma.predict(found.windows, horizon_s), found.came_rps)


def _pooled(parts: dict[int, list[Part]]) -> tuple[FloatArray, FloatArray]:
    """Rows and targets, ln(largest second ÷ expected); one of no request is taken as SMALLEST_RPS."""
    every = [part for of_horizon in parts.values() for part in of_horizon]
    targets = [np.log(np.maximum(part.came_rps, SMALLEST_RPS) / part.expected.point_rps) for part in every]
    return np.concatenate([part.rows for part in every]), np.concatenate(targets)


def _errors(chosen: dict[str, Any], parts: list[Part]) -> Errors:
    """In units of the noise that ewma measures: relative ones would be those of the smallest load at every load."""
    trees = trees_of(chosen)
    off = [
        (part.came_rps - part.expected.point_rps * np.exp(trees(part.rows))) / np.maximum(part.expected.scale_rps, 1e-9)
        for part in parts
    ]
    return quantiles(np.concatenate(off))


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
