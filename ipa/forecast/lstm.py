"""IPA's network: the largest second of each of the last twelve 10 s → LSTM of 25 units → one number.

The equations are those of Hochreiter & Schmidhuber (1997) with forget gates (Gers et al. 2000), as PyTorch orders them:
    i, f, o = σ(W x + U h + b),   g = tanh(W x + U h + b),   c' = f·c + i·g,   h' = o·tanh(c')
Counts go in, and the forecast comes out, in units of the largest count of the training data, as in the paper.

The network was trained for the 20 s of the paper and says the same for every horizon. It is a recurrent one: of a
window shorter than two minutes it reads fewer blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipa.forecast.ar import BLOCK_S, block_maxima
from ipa.forecast.model_file import built, parse
from ipa.forecast.outlook import FloatArray, Outlook

NAME = "lstm"
UNITS = 25
WINDOW_S = 12 * BLOCK_S
HISTORY_S = 60

SHAPES = {"input": (4 * UNITS,), "recurrent": (4 * UNITS, UNITS), "bias": (4 * UNITS,), "dense": (UNITS,), "offset": ()}
"""Of the weights, gates in the order input, forget, cell, output."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """`largest_rps`: the unit of what goes in and comes out. The weights are those of SHAPES."""

    largest_rps: float
    weights: dict[str, FloatArray]

    def __call__(self, maxima: FloatArray) -> FloatArray:
        """(n, blocks) largest counts → (n,) forecast, both in requests per second."""
        weights = self.weights
        hidden = cell = np.zeros((len(maxima), UNITS))
        for block in (maxima / self.largest_rps).T:
            gates = np.outer(block, weights["input"]) + hidden @ weights["recurrent"].T + weights["bias"]
            into, keep, new, out = np.split(gates, 4, axis=1)
            cell = _sigmoid(keep) * cell + _sigmoid(into) * np.tanh(new)
            hidden = _sigmoid(out) * np.tanh(cell)
        return np.maximum(0.0, (hidden @ weights["dense"] + weights["offset"]) * self.largest_rps)


def make(content: bytes | None) -> Callable[[FloatArray, float], Outlook]:
    """The predictor of a model file. Raises ConfigError for one that does not fit."""
    model = parse(content, NAME)
    network = built(model, network_of)

    def predict(windows: FloatArray, horizon_s: float) -> Outlook:
        point = network(block_maxima(windows[:, -WINDOW_S:]))
        return Outlook(point, point, model.errors_at(horizon_s))

    return predict


def network_of(payload: Mapping[str, Any]) -> Network:
    """Of {largest_rps, and the weights of SHAPES}. Raises KeyError, TypeError or ValueError for anything else."""
    weights = {name: np.array(payload[name], dtype=np.float64) for name in SHAPES}
    for name, shape in SHAPES.items():
        if weights[name].shape != shape or not np.isfinite(weights[name]).all():
            raise ValueError(f"{name} of shape {weights[name].shape} must be finite numbers of shape {shape}")
    largest_rps = float(payload["largest_rps"])
    if not 0 < largest_rps < np.inf:
        raise ValueError(f"largest_rps {largest_rps:g} must be above 0")
    return Network(largest_rps, weights)


def _sigmoid(x: FloatArray) -> FloatArray:
    half: FloatArray = 0.5 * np.tanh(0.5 * x) + 0.5  # the same number, and no overflow
    return half
