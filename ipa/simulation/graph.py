"""Any network, event by event over all stages: a refusal in one branch frees the places in the others at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from ipa.simulation import compiled, graph_kernel, layout
from ipa.simulation.finished import Finished, Occupancy, occupancy
from ipa.simulation.kinds import Kinds, staying
from ipa.simulation.stations import Network, Station
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED

_GROW = {
    graph_kernel.MORE_REQUESTS: layout.more_requests,
    graph_kernel.MORE_QUEUE: layout.more_queue,
    graph_kernel.MORE_PENDING: layout.more_pending,
}


class Graph:
    """See engine.Engine."""

    def __init__(self, stations: Sequence[Station], network: Network, seed: int) -> None:
        self.now_s = 0.0
        self._measured_s = 0.0
        self._kinds = Kinds()
        self._state = layout.empty(network, seed)
        self.change(dict(enumerate(stations)))

    def advance(self, arrivals_s: FloatArray, until_s: float) -> Finished:
        arrivals_s = np.ascontiguousarray(arrivals_s, dtype=np.float64)
        self._state = layout.room_to_end(self._state, len(arrivals_s))
        first, lacking = 0, -1
        while lacking != graph_kernel.DONE:
            lacking, first = graph_kernel.advance(self._state, arrivals_s, first, self.now_s, until_s)
            if lacking != graph_kernel.DONE:
                self._state = _GROW[lacking](self._state)
        self.now_s = until_s if isfinite(until_s) else self._last_s(arrivals_s)
        return self._finished()

    def change(self, stations: Mapping[int, Station]) -> float:
        idle_s = [self._install(stage, station) for stage, station in stations.items()]
        return max(idle_s, default=self.now_s)

    def occupancy(self) -> tuple[Occupancy, ...]:
        means = occupancy(self._state.stages, self.now_s, self._measured_s)
        self._measured_s = self.now_s
        return means

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
            np.where(outcome == compiled.ANSWERED, np.int8(ANSWERED), np.int8(DROPPED)),
            ended["accuracy"],
            ended["stage"],
            outcome == compiled.FULL,
        )

    # --- changing -----------------------------------------------------------------------------------------------

    def _install(self, at: int, station: Station) -> float:
        """Lay out the slots of a stage anew; returns when the replicas that leave now are idle."""
        wanted = self._kinds.of(station)
        state = self._state._replace(service_s=self._kinds.service_s, accuracy=self._kinds.accuracy)
        live = int(state.stages[at]["live"])
        kept, left = staying(state.slots[at]["kind"][:live].tolist(), wanted)
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
