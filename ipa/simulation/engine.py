"""An exact discrete-event simulation of the data plane, as the router does it with requests of one row.

Central FIFO queues, greedy or full batches, the least loaded replica first, each request dropped by its age when a
batch is taken, forks, joins and branches; the order of what happens at one moment is the kernel's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from ipa.simulation import kernel, layout
from ipa.simulation.stations import Network, Servers, Station
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED

_GROW = {
    kernel.MORE_REQUESTS: layout.more_requests,
    kernel.MORE_QUEUE: layout.more_queue,
    kernel.MORE_PENDING: layout.more_pending,
}


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """What ended, in order. `accuracy`: product over the stages it ran. `stage`: where it was dropped, −1 nowhere.

    `full`: dropped because the queue was full, not because it was too late.
    """

    request: NDArray[np.int64]
    at_s: FloatArray
    outcome: NDArray[np.int8]
    accuracy: FloatArray
    stage: NDArray[np.int8]
    full: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Of one stage: mean numbers of replicas at work and of requests in the stage, waiting or in service."""

    busy: float
    requests: float


class Engine:
    """The pipeline at `now_s`. Requests are numbered 0, 1, … in the order in which `advance` gets them."""

    def __init__(self, network: Network, stations: Sequence[Station], seed: int = 0) -> None:
        self.now_s = 0.0
        self._measured_s = 0.0
        self._kinds: dict[tuple[bytes, tuple[int, ...], float], int] = {}
        self._state = layout.empty(network, seed)
        self.change(dict(enumerate(stations)))

    def advance(self, arrivals_s: FloatArray, until_s: float) -> Finished:
        """All that happens before `until_s`, and the completions at it; `inf` goes on until all have ended.

        `arrivals_s`: sorted, all in [now_s, until_s).
        """
        arrivals_s = np.ascontiguousarray(arrivals_s, dtype=np.float64)
        self._state = layout.room_to_end(self._state, len(arrivals_s))
        first, lacking = 0, -1
        while lacking != kernel.DONE:
            lacking, first = kernel.advance(self._state, arrivals_s, first, self.now_s, until_s)
            if lacking != kernel.DONE:
                self._state = _GROW[lacking](self._state)
        self.now_s = until_s if isfinite(until_s) else self._last_s(arrivals_s)
        return self._finished()

    def change(self, stations: Mapping[int, Station]) -> float:
        """Serve those stages so from now on; returns when the replicas that left have done what they hold.

        Replicas of an equal kind stay, the earliest first.
        """
        idle_s = [self._install(stage, station) for stage, station in stations.items()]
        return max(idle_s, default=self.now_s)

    def occupancy(self) -> tuple[Occupancy, ...]:
        """Means over the time since the last call (or the start), one entry a stage."""
        stages, now_s = self._state.stages, self.now_s
        lasted_s = now_s - self._measured_s
        self._measured_s = now_s
        means = []
        for count, integral_s in (("working", "working_s"), ("present", "present_s")):
            means.append((stages[integral_s] + stages[count] * now_s) / lasted_s if lasted_s > 0 else stages[count])
            # Rebased at each call: sums of clock readings would lose digits in a long run.
            stages[integral_s] = -stages[count] * now_s
        return tuple(Occupancy(float(busy), float(requests)) for busy, requests in zip(*means, strict=True))

    # --- running ------------------------------------------------------------------------------------------------

    def _last_s(self, arrivals_s: FloatArray) -> float:
        done_s = float(self._state.slots["free_s"].max(initial=0.0))
        received_s: list[float] = arrivals_s[-1:].tolist()
        return max([self.now_s, done_s, *received_s])

    def _finished(self) -> Finished:
        ended = self._state.ended[: int(self._state.run[0]["ended"])]
        outcome = ended["outcome"]
        return Finished(
            ended["number"],
            ended["at_s"],
            np.where(outcome == kernel.ANSWERED, np.int8(ANSWERED), np.int8(DROPPED)),
            ended["accuracy"],
            ended["stage"],
            outcome == kernel.FULL,
        )

    # --- changing -----------------------------------------------------------------------------------------------

    def _install(self, at: int, station: Station) -> float:
        """Lay out the slots of a stage anew; returns when the replicas that leave now are idle."""
        wanted = [self._kind(servers) for servers in station.servers for _ in range(servers.replicas)]
        state = self._state
        live = int(state.stages[at]["live"])
        free: dict[int, list[int]] = {}
        for slot in range(live):
            free.setdefault(int(state.slots[at, slot]["kind"]), []).append(slot)
        kept = [free[kind].pop(0) if free.get(kind) else None for kind in wanted]
        left = list(itertools.chain.from_iterable(free.values()))
        idle_s: list[float] = state.slots[at]["free_s"][left].tolist()
        leaving = [*left, *range(live, state.slots.shape[1])]
        retired = [slot for slot in leaving if state.slots[at, slot]["load"] > 0]
        slots = len(kept) + len(retired)
        self._state = state = layout.widened(state, slots, station.batch)
        layout.lay_out(state, at, list(zip(wanted, kept, strict=True)), retired)
        stage = state.stages[at]
        stage["batch"], stage["wait_s"], stage["remaining_s"] = station.batch, station.wait_s, station.remaining_s
        stage["changed"] = 1
        state.run["waits"] = state.stages["wait_s"].max() > 0
        return max([self.now_s, *idle_s])

    def _kind(self, servers: Servers) -> int:
        """The row of its service times; a new one is appended."""
        if servers.kind not in self._kinds:
            self._kinds[servers.kind] = len(self._kinds)
            self._state = layout.with_table(self._state, servers.service_s, servers.accuracy)
        return self._kinds[servers.kind]


def run(network: Network, stations: Sequence[Station], arrivals_s: FloatArray, seed: int = 0) -> Finished:
    """All of `arrivals_s` through the same stations, until the queues have drained."""
    return Engine(network, stations, seed).advance(arrivals_s, inf)
