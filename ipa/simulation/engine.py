"""An exact discrete-event simulation of the data plane, as the router does it with requests of one row.

Central FIFO queues, greedy or full batches, the least loaded replica first, each request dropped by its age when a
batch is taken, forks, joins and branches. What happens at one moment happens in this order: completions (by the
smallest request of the batch), changes, arrivals (by request; a request that goes on arrives at the next stage after
all completions of that moment), timers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from ipa.simulation.finished import Finished, Occupancy
from ipa.simulation.graph import Graph
from ipa.simulation.line import Line
from ipa.simulation.stations import Network, Station
from ipa.workload.processes import FloatArray


class Engine:
    """The pipeline at `now_s`. Requests are numbered 0, 1, … in the order in which `advance` gets them."""

    def __init__(self, network: Network, stations: Sequence[Station], seed: int = 0) -> None:
        self._flow = Line(stations, network, seed) if is_line(network) else Graph(stations, network, seed)

    @property
    def now_s(self) -> float:
        return self._flow.now_s

    def advance(self, arrivals_s: FloatArray, until_s: float) -> Finished:
        """All that happens before `until_s`, and the completions at it; `inf` goes on until all have ended.

        `arrivals_s`: sorted, all in [now_s, until_s).
        """
        return self._flow.advance(arrivals_s, until_s)

    def change(self, stations: Mapping[int, Station]) -> float:
        """Serve those stages so from now on; returns when the replicas that leave now have done what they hold.

        Replicas of an equal kind stay, the earliest first.
        """
        return self._flow.change(stations)

    def occupancy(self) -> tuple[Occupancy, ...]:
        """Means over the time since the last call (or the start), one entry a stage."""
        return self._flow.occupancy()


def is_line(network: Network) -> bool:
    """Whether every request goes through all stages one after the other, and a replica holds one batch."""
    straight = all(after == ((at - 1,) if at else ()) for at, after in enumerate(network.after))
    return straight and network.in_flight == 1 and min(network.probability) >= 1.0


def run(network: Network, stations: Sequence[Station], arrivals_s: FloatArray, seed: int = 0) -> Finished:
    """All of `arrivals_s` through the same stations, until the queues have drained."""
    return Engine(network, stations, seed).advance(arrivals_s, inf)


__all__ = ["Engine", "Finished", "Occupancy", "is_line", "run"]
