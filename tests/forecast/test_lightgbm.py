"""Walking the trees, against LightGBM itself; horizons between the trained ones."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import lightgbm
import numpy as np
import pytest

from ipa.adapters.predictor_files import model_content
from ipa.errors import ConfigError
from ipa.forecast import ewma
from ipa.forecast.boosted import COLUMNS, make, trees_of
from ipa.forecast.model_file import serialise
from ipa.forecast.outlook import FloatArray
from ipa.forecast.samples import samples
from ipa.forecast.training.boosted import payload
from tests.forecast.models import boosted_content, boosted_model, counts


@pytest.mark.parametrize("leaves", [2, 7, 31])
def test_the_walk_is_what_lightgbm_predicts(leaves: int) -> None:
    rng = np.random.default_rng(leaves)
    rows = rng.normal(size=(2000, len(COLUMNS))).round(1)  # values on the thresholds too
    target = np.sin(rows[:, 0]) + rows[:, 1] * rows[:, -1]
    settings = {"num_leaves": leaves, "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, target), num_boost_round=20)
    trees = trees_of(payload(booster.dump_model()["tree_info"]))
    assert trees(rows) == pytest.approx(booster.predict(rows), abs=1e-12)


def test_a_tree_of_one_leaf_says_that_leaf() -> None:
    trees = trees_of(
        {"columns": list(COLUMNS), "sizes": [1, 1], "column": [0, 0], "value": [1.5, 2.0], "right": [0, 0]}
    )
    assert trees(np.zeros((3, len(COLUMNS)))).tolist() == [3.5] * 3
    assert trees(np.zeros((0, len(COLUMNS)))).tolist() == []


def test_it_predicts_the_small_trace_better_than_its_last_maximum() -> None:
    found = samples(counts(), 6000, 9000, window_s=120, horizon_s=20)
    said = make(boosted_content())(found.windows, 20.0)
    reached = np.abs(said.point_rps / found.came_rps - 1).mean()
    assert reached < np.abs(found.windows[:, -20:].max(axis=1) / found.came_rps - 1).mean()
    assert np.mean(found.came_rps <= said.quantile_rps(0.9)) == pytest.approx(0.9, abs=0.05)


def test_between_trained_horizons_the_correction_lies_between_theirs_and_beyond_it_stays() -> None:
    predict = make(boosted_content())
    windows = samples(counts(), 0, 3000, window_s=120, horizon_s=20).windows

    def correction(horizon_s: float) -> FloatArray:
        found: FloatArray = predict(windows, horizon_s).point_rps / ewma.predict(windows, horizon_s).point_rps
        return found

    low, middle, high = correction(20.0), correction(sqrt(20 * 60)), correction(60.0)
    assert middle == pytest.approx(np.sqrt(low * high))
    assert correction(20.000001) == pytest.approx(low, rel=1e-5)
    assert correction(0.5) == pytest.approx(correction(10.0))
    assert correction(600.0) == pytest.approx(high)


@pytest.mark.parametrize("rate_rps", [1, 8, 40, 200, 3000])
def test_what_comes_with_ipa_is_sane_on_poisson_loads_of_any_size(rate_rps: int) -> None:
    # Where each second is independent, nobody beats the median of the largest by much; ewma is near it.
    rng = np.random.default_rng(rate_rps)
    seconds = rng.poisson(rate_rps, (2000, 140)).astype(float)
    came = seconds[:, 120:].max(axis=1)
    said = make(model_content("lightgbm"))(seconds[:, :120], 20.0).point_rps
    off = np.abs(said / came - 1).mean()
    assert off < 0.02 + 1.25 * np.abs(ewma.predict(seconds[:, :120], 20.0).point_rps / came - 1).mean()


def test_no_request_in_the_window_is_no_request_to_come() -> None:
    said = make(boosted_content())(np.zeros((1, 120)), 20.0)
    assert (said.point_rps.tolist(), said.quantile_rps(0.99).tolist()) == ([0.0], [0.0])


@pytest.mark.parametrize(
    "broken",
    [
        {"columns": ["level"]},
        {"sizes": []},
        {"sizes": [1]},
        {"sizes": ["many"]},
        {"column": None},
        {"right": [-3]},
        {"value": [float("nan")]},
    ],
    ids=str,
)
def test_trees_that_are_none_are_refused(broken: dict[str, Any]) -> None:
    model = boosted_model()
    with pytest.raises(ConfigError, match="lightgbm model file"):
        make(serialise(replace(model, payload={**model.payload, **broken})))


def test_a_split_without_its_children_is_refused() -> None:
    for column, right in ((0, 1), (0, 3), (0, -1), (99, 0), (-1, 0)):
        nodes = {"sizes": [3], "column": [column, 0, 0], "value": [0.0, 1.0, 2.0], "right": [right, 0, 0]}
        with pytest.raises(ValueError, match="whole"):
            trees_of({"columns": list(COLUMNS), **nodes})
