"""The network, against its equations written out scalar by scalar, and against PyTorch where that is installed."""

from __future__ import annotations

from dataclasses import replace
from math import exp, tanh
from typing import Any

import numpy as np
import pytest

from ipa.errors import ConfigError
from ipa.forecast.lstm import UNITS, make, network_of
from ipa.forecast.model_file import serialise
from tests.forecast.models import lstm_model


def written_out(payload: dict[str, Any], maxima: list[float]) -> float:
    hidden, cell = [0.0] * UNITS, [0.0] * UNITS
    for count in maxima:
        x, before = count / payload["largest_rps"], list(hidden)
        for unit in range(UNITS):
            into, keep, new, out = (
                payload["input"][row] * x
                + sum(payload["recurrent"][row][other] * before[other] for other in range(UNITS))
                + payload["bias"][row]
                for row in range(unit, 4 * UNITS, UNITS)
            )
            cell[unit] = cell[unit] / (1 + exp(-keep)) + tanh(new) / (1 + exp(-into))
            hidden[unit] = tanh(cell[unit]) / (1 + exp(-out))
    total = sum(weight * value for weight, value in zip(payload["dense"], hidden, strict=True)) + payload["offset"]
    return max(0.0, float(total * payload["largest_rps"]))


@pytest.mark.parametrize("seed", range(5))
def test_the_network_is_its_equations(seed: int) -> None:
    model = lstm_model(seed)
    windows = np.random.default_rng(seed).poisson(100, (6, 120)).astype(float)
    said = make(serialise(model))(windows, 20.0).point_rps
    maxima = [[max(window[at : at + 10]) for at in range(0, 120, 10)] for window in windows.tolist()]
    assert said == pytest.approx([written_out(dict(model.payload), each) for each in maxima])


def test_the_network_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    payload = lstm_model(2).payload
    maxima = np.random.default_rng(2).poisson(100, (50, 12)).astype(float)
    network, dense = torch.nn.LSTM(1, UNITS, batch_first=True).double(), torch.nn.Linear(UNITS, 1).double()
    with torch.no_grad():
        network.weight_ih_l0.copy_(torch.tensor(payload["input"])[:, None])
        network.weight_hh_l0.copy_(torch.tensor(payload["recurrent"]))
        network.bias_ih_l0.copy_(torch.tensor(payload["bias"]))
        network.bias_hh_l0.zero_()
        dense.weight.copy_(torch.tensor(payload["dense"])[None])
        dense.bias.fill_(payload["offset"])
        said = dense(network(torch.tensor(maxima[:, :, None] / 200.0))[0][:, -1])[:, 0].numpy() * 200.0
    assert network_of(payload)(maxima) == pytest.approx(np.maximum(0.0, said), rel=1e-4, abs=1e-3)


def test_it_reads_the_last_two_minutes_and_less_if_there_is_less() -> None:
    predict = make(serialise(lstm_model()))
    window = np.random.default_rng(0).poisson(50, (1, 300)).astype(float)
    assert predict(window, 20.0).point_rps == predict(window[:, -120:], 20.0).point_rps
    assert np.isfinite(predict(window[:, -65:], 20.0).point_rps).all()


def test_every_horizon_is_the_papers() -> None:
    predict = make(serialise(lstm_model()))
    window = np.full((1, 120), 40.0)
    assert predict(window, 20.0).point_rps == predict(window, 60.0).point_rps


@pytest.mark.parametrize(
    "broken",
    [{"dense": [1.0]}, {"bias": "none"}, {"input": None}, {"largest_rps": 0}, {"offset": float("inf")}],
    ids=str,
)
def test_weights_that_are_none_are_refused(broken: dict[str, Any]) -> None:
    model = lstm_model()
    with pytest.raises(ConfigError, match="lstm model file"):
        make(serialise(replace(model, payload={**model.payload, **broken})))
