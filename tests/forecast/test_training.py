"""Training: the same model for the same seed, gaps left out, too little refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ipa.errors import UsageError
from ipa.forecast.model_file import Split, digest, serialise
from ipa.forecast.training import TRAINERS, boosted, lstm
from ipa.forecast.training.held_back import drawn, quantiles
from tests.forecast.models import SPLIT, boosted_content, boosted_model, counts


def test_training_twice_with_one_seed_gives_the_same_file_and_another_seed_another() -> None:
    assert serialise(boosted.train(counts(), SPLIT, 3)) == boosted_content()
    assert boosted.train(counts(), SPLIT, 4).payload != boosted_model().payload


def test_the_file_says_what_it_was_trained_on() -> None:
    model = boosted_model()
    assert (model.seed, model.horizons_s, model.dampings, model.split) == (3, (10, 20, 60), (1, 8), SPLIT)
    assert model.counts_sha256 == digest(counts())
    assert model.made_with.startswith("lightgbm ")
    assert set(model.errors) == {10, 20, 60}


def test_later_seconds_do_not_enter() -> None:
    longer = np.concatenate([counts(), np.full(500, 900)])
    assert serialise(boosted.train(longer, SPLIT, 3)) == boosted_content()


def test_no_sample_touches_the_gap_and_none_is_empty() -> None:
    found = drawn(counts(), 0, 6000, 20)
    assert not (found.windows == 0).all(axis=1).any()
    assert not ((found.at_s > 3980) & (found.at_s < 4420)).any()


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize(
    ("split", "rule"),
    [
        (Split(0, 100, 100), "must ascend"),
        (Split(-5, 100, 200), "must ascend"),
        (Split(0, 6000, 9001), "within the 9000 seconds"),
        (Split(0, 300, 9000), "at least 20 are needed"),
        (Split(0, 8900, 9000), "hold 0 windows"),
    ],
)
def test_too_little_to_train_on_is_refused(name: str, split: Split, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        TRAINERS[name](counts(), split, 0)


def test_errors_are_quantiles_of_what_was_held_back() -> None:
    errors = dict(quantiles(np.linspace(-1.0, 1.0, 1001)))
    assert [errors[0.5], errors[0.9]] == pytest.approx([0.0, 0.8])


def test_the_network_is_trained_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(lstm, "EPOCHS", 2)
    once = lstm.train(counts(), SPLIT, 1)
    assert serialise(lstm.train(counts(), SPLIT, 1)) == serialise(once)
    assert lstm.train(counts(), SPLIT, 2).payload != once.payload


def test_neither_naming_the_trainers_nor_forecasting_loads_their_libraries() -> None:
    code = """
import sys, numpy, ipa.forecast.training
from ipa.adapters.predictor_files import contenders
for each in contenders(["lightgbm", "lstm"], [], elsewhere=False).values():
    each.predict(numpy.full((1, 120), 7.0), 20.0)
sys.exit(bool({"lightgbm", "torch", "scipy", "pandas", "numba"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
