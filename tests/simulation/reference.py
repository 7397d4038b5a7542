"""The simulator's oracle: the same semantics as slow, obvious Python. It shares only the description with ipa.

One heap of events, ordered as the contract says: completions, changes, arrivals, timers; within each by request, then
by stage. An event that is due now and was caused by another takes its place in that order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import floor

from ipa.simulation.stations import Network, Servers, Station

COMPLETION, CHANGE, ARRIVAL, TIMER = range(4)
DROPPED, ANSWERED = 2, 3  # as in the report of a load
WORD = 2**64
SERVICE_STREAM = 1000  # service times draw from other numbers than the coins of the same stage


def uniform(seed: int, stage: int, request: int) -> float:
    """In [0, 1): splitmix64's mix (Steele, Lea and Flood 2014) of a number unique to seed, stage and request."""
    z = (seed * 0x9E3779B97F4A7C15 + (stage + 1) * 0xBF58476D1CE4E5B9 + (request + 1) * 0x94D049BB133111EB) % WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % WORD
    z ^= z >> 31
    return (z >> 11) * 2.0**-53


@dataclass(frozen=True)
class Ending:
    """How a request ended. `accuracy` counts for an answer only; `stage` is -1 for it."""

    outcome: int
    at_s: float
    accuracy: float
    stage: int
    full: bool


@dataclass(frozen=True)
class Service:
    """One batch in one stage: `taken_s` from the queue, worked on from `start_s` to `end_s`."""

    stage: int
    taken_s: float
    start_s: float
    end_s: float
    requests: tuple[int, ...]


@dataclass(frozen=True)
class History:
    """`endings`: by request. `left_idle_s`: for each change, when the last replica that left was idle."""

    endings: tuple[Ending, ...]
    services: tuple[Service, ...]
    left_idle_s: tuple[float, ...]


@dataclass(eq=False)
class Request:
    number: int
    received_s: float
    accuracy: float = 1.0
    begun: set[int] = field(default_factory=set)
    ran: dict[int, bool] = field(default_factory=dict)  # of the stages that are settled: answered, or skipped
    ending: Ending | None = None


@dataclass(eq=False)
class Place:
    request: Request
    queued_s: float


@dataclass(eq=False)
class Replica:
    servers: Servers
    batches: int = 0
    idle_s: float = 0.0  # when it has done all it holds


@dataclass(eq=False)
class Batch:
    replica: Replica
    requests: list[Request]


@dataclass(eq=False)
class Stage:
    number: int
    station: Station
    replicas: list[Replica]
    queue: list[Place] = field(default_factory=list)
    timers: set[float] = field(default_factory=set)


class Simulation:
    def __init__(self, network: Network, stations: Sequence[Station], seed: int) -> None:
        self.network = network
        self.seed = seed
        self.now_s = 0.0
        self.stages = [Stage(i, station, _replicas(station, [])) for i, station in enumerate(stations)]
        self.services: list[Service] = []
        self.left_idle_s: list[float] = []
        self._events: list[tuple[float, int, int, int, int, Callable[[], None]]] = []
        self._scheduled = 0

    # --- events ---------------------------------------------------------------------------------------------------

    def schedule(self, at_s: float, kind: int, request: int, stage: int, happen: Callable[[], None]) -> None:
        self._scheduled += 1  # the order of what is equal in all else, and nothing is but changes
        heapq.heappush(self._events, (at_s, kind, request, stage, self._scheduled, happen))

    def run(self) -> None:
        while self._events:
            self.now_s, *_, happen = heapq.heappop(self._events)
            happen()

    def enter(self, request: Request) -> None:
        """The request goes to every stage that may start now; what is skipped may let another one start."""
        for stage in self.stages:
            after = self.network.after[stage.number]
            if stage.number in request.begun or any(before not in request.ran for before in after):
                continue
            request.begun.add(stage.number)
            if self._is_taken(request, stage, after):
                at_s = max(self.now_s, request.received_s)
                self.schedule(at_s, ARRIVAL, request.number, stage.number, partial(self._arrive, request, stage))
            else:
                request.ran[stage.number] = False
        if len(request.ran) == len(self.stages):
            request.ending = Ending(ANSWERED, self.now_s, request.accuracy, -1, False)

    def change(self, stations: Mapping[int, Station]) -> None:
        left_idle_s = self.now_s
        for number, station in sorted(stations.items()):
            stage = self.stages[number]
            before = stage.replicas
            stage.station, stage.replicas = station, _replicas(station, before)
            left_idle_s = max([left_idle_s, *(each.idle_s for each in before if each not in stage.replicas)])
            self._dispatch(stage)
        self.left_idle_s.append(left_idle_s)

    def _arrive(self, request: Request, stage: Stage) -> None:
        if request.ending is not None:
            return
        if not stage.replicas:
            self._drop(request, stage)
        elif len(stage.queue) >= self.network.queue_limit:
            self._drop(request, stage, full=True)
        else:
            stage.queue.append(Place(request, self.now_s))
            self._dispatch(stage)

    def _complete(self, batch: Batch, stage: Stage) -> None:
        batch.replica.batches -= 1
        for request in batch.requests:
            if request.ending is None:
                request.ran[stage.number] = True
                request.accuracy *= batch.replica.servers.accuracy
                self.enter(request)
        self._dispatch(stage)

    def _wake(self, stage: Stage) -> None:
        stage.timers.discard(self.now_s)
        self._dispatch(stage)

    # --- what they do ---------------------------------------------------------------------------------------------

    def _is_taken(self, request: Request, stage: Stage, after: Sequence[int]) -> bool:
        if not after:
            return True
        if not any(request.ran[before] for before in after):
            return False
        probability = self.network.probability[stage.number]
        coin, start = self.network.coins[stage.number] if self.network.coins else (stage.number, 0.0)
        return probability >= 1 or start <= uniform(self.seed, coin, request.number) < start + probability

    def _drop(self, request: Request, stage: Stage, full: bool = False) -> None:
        request.ending = Ending(DROPPED, self.now_s, 0.0, stage.number, full)
        for each in self.stages:
            each.queue = [place for place in each.queue if place.request is not request]

    def _dispatch(self, stage: Stage) -> None:
        if not stage.replicas:
            for place in list(stage.queue):
                self._drop(place.request, stage)
        while stage.queue:
            free = [replica for replica in stage.replicas if replica.batches < self.network.in_flight]
            if not free:
                return
            chosen = self._take(stage)
            if not chosen:
                return
            self._start(stage, min(free, key=lambda replica: replica.batches), chosen)

    def _take(self, stage: Stage) -> list[Request]:
        """The next batch, out of the queue; empty if there is none yet."""
        chosen: list[Place] = []
        for place in list(stage.queue):
            age_s = self.now_s - place.request.received_s
            if age_s + stage.station.remaining_s > self.network.drop_after_s:
                self._drop(place.request, stage)
            else:
                chosen.append(place)
            if len(chosen) == stage.station.batch:
                break
        if stage.station.wait_s > 0 and 0 < len(chosen) < stage.station.batch:
            leaves_s = min(self._leaves_s(stage, place) for place in chosen)
            if leaves_s > self.now_s:
                self._wake_at(stage, leaves_s)
                return []
        stage.queue = [place for place in stage.queue if place not in chosen]
        return [place.request for place in chosen]

    def _leaves_s(self, stage: Stage, place: Place) -> float:
        waited_before_s = place.queued_s - place.request.received_s
        spare_s = self.network.drop_after_s - stage.station.remaining_s - waited_before_s
        return place.queued_s + min(stage.station.wait_s, max(0.0, spare_s / 2))

    def _wake_at(self, stage: Stage, at_s: float) -> None:
        if at_s not in stage.timers:
            stage.timers.add(at_s)
            self.schedule(at_s, TIMER, 0, stage.number, partial(self._wake, stage))

    def _start(self, stage: Stage, replica: Replica, requests: list[Request]) -> None:
        first = min(request.number for request in requests)
        start_s = max(self.now_s, replica.idle_s)
        end_s = start_s + self._service_s(stage, replica.servers, len(requests), first)
        replica.idle_s = end_s
        replica.batches += 1
        batch = Batch(replica, requests)
        self.schedule(end_s, COMPLETION, first, stage.number, partial(self._complete, batch, stage))
        numbers = tuple(request.number for request in requests)
        self.services.append(Service(stage.number, self.now_s, start_s, end_s, numbers))

    def _service_s(self, stage: Stage, servers: Servers, requests: int, first: int) -> float:
        rows = len(servers.service_s)
        if rows == 1:
            return float(servers.service_s[0, requests - 1])
        position = uniform(self.seed, stage.number + SERVICE_STREAM, first) * (rows - 1)
        below = floor(position)
        low_s, high_s = (float(servers.service_s[row, requests - 1]) for row in (below, below + 1))
        return low_s + (position - below) * (high_s - low_s)


def _replicas(station: Station, before: Sequence[Replica]) -> list[Replica]:
    """In order of preference; those of `before` that are of the same kind go on, the earliest first."""
    left = list(before)
    replicas = []
    for servers in station.servers:
        for _ in range(servers.replicas):
            same = next((replica for replica in left if _are_alike(replica.servers, servers)), None)
            if same is not None:
                left.remove(same)
            replicas.append(same or Replica(servers))
    return replicas


def _are_alike(one: Servers, other: Servers) -> bool:
    return one.accuracy == other.accuracy and one.service_s.tolist() == other.service_s.tolist()


def simulate(
    network: Network,
    stations: Sequence[Station],
    arrivals_s: Sequence[float],
    changes: Sequence[tuple[float, Mapping[int, Station]]] = (),
    seed: int = 0,
) -> History:
    """Everything that becomes of the arrivals, to the end."""
    simulation = Simulation(network, stations, seed)
    requests = [Request(number, float(at_s)) for number, at_s in enumerate(arrivals_s)]
    for at_s, stations_then in changes:
        simulation.schedule(at_s, CHANGE, 0, 0, partial(simulation.change, stations_then))
    for request in requests:
        simulation.enter(request)
    simulation.run()
    endings = tuple(request.ending for request in requests if request.ending is not None)
    assert len(endings) == len(requests), "a request never ended"
    return History(endings, tuple(simulation.services), tuple(simulation.left_idle_s))
