"""Training predictors: counts per second in, the content of a model file out. Pure; one function a predictor.

`TRAINERS` names them. LightGBM and PyTorch are imported only by the trainer that needs them, when it is called.
"""

from __future__ import annotations

from collections.abc import Callable

from ipa.forecast.model_file import ModelFile, Split
from ipa.forecast.outlook import IntArray
from ipa.forecast.training import boosted, lstm

TRAINERS: dict[str, Callable[[IntArray, Split, int], ModelFile]] = {
    "lightgbm": boosted.train,
    "lstm": lstm.train,
}
"""(counts per second, what to train on, seed) → model. Raises UsageError for a split with too few seconds."""
