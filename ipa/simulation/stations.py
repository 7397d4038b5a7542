"""What is simulated, as data: the stages of a pipeline and what serves each of them."""

from __future__ import annotations

from dataclasses import dataclass

from ipa.workload.processes import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Servers:
    """Like replicas in one station.

    `service_s`: shape (levels, batch): column n − 1 holds the seconds that a batch of n takes. One row: always the
    same. More rows: the quantiles at an even grid of probabilities from 0 to 1.
    """

    service_s: FloatArray
    accuracy: float
    replicas: int

    @property
    def kind(self) -> tuple[bytes, tuple[int, ...], float]:
        """What a replica is: those of equal kind are interchangeable, so they survive a change."""
        return self.service_s.tobytes(), self.service_s.shape, self.accuracy


@dataclass(frozen=True, slots=True)
class Station:
    """One stage as it serves now. Of equally loaded replicas the first in `servers` takes the batch.

    `wait_s`: how long a batch may wait to fill, 0 is greedy. `remaining_s`: mean batch-1 latency of this and the later
    stages.
    """

    servers: tuple[Servers, ...]
    batch: int
    wait_s: float
    remaining_s: float


@dataclass(frozen=True, slots=True)
class Network:
    """What does not change while the pipeline runs.

    `after`: for each stage the indices of those it waits for, all smaller; () is a source. `probability`: of being
    taken by a request that ran at least one of those. `in_flight`: batches a replica holds; it works on one after the
    other.
    """

    after: tuple[tuple[int, ...], ...]
    probability: tuple[float, ...]
    drop_after_s: float
    queue_limit: int
    in_flight: int
