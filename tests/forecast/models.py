"""A small synthetic trace, and model files trained on it or made by hand."""

from __future__ import annotations

from functools import cache

import numpy as np

from ipa.forecast.lstm import SHAPES
from ipa.forecast.model_file import ModelFile, Split, serialise
from ipa.forecast.outlook import IntArray
from ipa.forecast.training import boosted

SPLIT = Split(0, 6000, 9000)


@cache
def counts() -> IntArray:
    """2.5 hours of a load that wanders, with a gap in it."""
    rng = np.random.default_rng(7)
    level = 60 * np.exp(np.cumsum(rng.normal(0, 0.01, 9000)) - 0.3 * np.sin(np.arange(9000) / 700))
    found: IntArray = rng.poisson(np.clip(level, 20, 300)).astype(np.int64)
    found[4000:4300] = 0
    return found


@cache
def boosted_model() -> ModelFile:
    return boosted.train(counts(), SPLIT, 3)


@cache
def boosted_content() -> bytes:
    return serialise(boosted_model())


def lstm_model(seed: int = 0) -> ModelFile:
    """Random weights."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.3, shape).tolist() for name, shape in SHAPES.items()}
    payload = {"largest_rps": 200.0, **weights}
    errors = {20: ((0.1, -0.2), (0.5, 0.0), (0.9, 0.3))}
    return ModelFile("lstm", seed, (20,), (1,), 120, SPLIT, "0" * 64, "by hand", errors, payload)
