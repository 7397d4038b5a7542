"""A third opinion: a model in a library that others wrote."""

from __future__ import annotations

import numpy as np
import pytest

from ipa.simulation.engine import run
from tests.simulation import simpy_model
from tests.simulation.build import chain, servers, station
from tests.simulation.driven import endings

SERVICE_S = [(0.05, 0.06, 0.07, 0.08), (0.11, 0.15), (0.02,)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_simpy_answers_every_request_when_the_engine_does(seed: int) -> None:
    arrivals_s = np.cumsum(np.random.default_rng(seed).exponential(1 / 35, 5_000))
    replicas = [2, 4, 1]
    stages = [station(servers(*each, replicas=n)) for each, n in zip(SERVICE_S, replicas, strict=True)]
    found = endings([run(chain(3), stages, arrivals_s)])
    expected = simpy_model.ends_s(SERVICE_S, replicas, arrivals_s.tolist())
    assert np.allclose([each.at_s for each in found], expected, rtol=0, atol=1e-9)
