"""Small words for networks and stations in tests."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from ipa.simulation.stations import Network, Servers, Station
from ipa.workload.processes import FloatArray

ENDLESS = 1_000_000_000


def servers(*service_s: float, replicas: int = 1, accuracy: float = 1.0) -> Servers:
    """`service_s`: of 1, 2, 3… requests in a batch, always the same."""
    return Servers(np.array([service_s], dtype=np.float64), accuracy, replicas)


def random_servers(quantiles_s: FloatArray, replicas: int = 1) -> Servers:
    """Batches of one whose service times have these quantiles."""
    return Servers(quantiles_s[:, None], 1.0, replicas)


def station(*kinds: Servers, wait_s: float = 0.0, remaining_s: float = 0.0) -> Station:
    """The batch is as large as the service times allow; 1 without any kind."""
    batch = min((kind.service_s.shape[1] for kind in kinds), default=1)
    return Station(kinds, batch, wait_s, remaining_s)


def graph(
    *after: tuple[int, ...],
    probability: Sequence[float] | None = None,
    drop_after_s: float = inf,
    queue_limit: int = ENDLESS,
    in_flight: int = 1,
) -> Network:
    return Network(after, tuple(probability or [1.0] * len(after)), drop_after_s, queue_limit, in_flight)


def chain(stages: int, drop_after_s: float = inf, queue_limit: int = ENDLESS, in_flight: int = 1) -> Network:
    after = [(i - 1,) if i else () for i in range(stages)]
    return graph(*after, drop_after_s=drop_after_s, queue_limit=queue_limit, in_flight=in_flight)
