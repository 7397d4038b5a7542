"""One stage: its queue, its replicas and who gets the next batch. Greedy: a free replica takes what waits, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ipa.dataplane import outcome
from ipa.dataplane.background import Background
from ipa.dataplane.batching import kind, merge, split
from ipa.dataplane.metrics import StageMetrics
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.plan import ReplicaSpec, StageRoute
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.queue import StageQueue, Waiting
from ipa.dataplane.tensors import Array, Tensors
from ipa.errors import ServingError, Unavailable

PROBE_FIRST_S = 0.5
PROBE_LONGEST_S = 5.0
CALL_TIMEOUT_S = 30.0  # a replica that hangs is a fault, too; no batch of a plan that meets its SLO takes as long


class Client(Protocol):
    """What a stage needs of a replica; replica.Replica is the real one."""

    async def infer(self, inputs: Tensors, timeout_s: float | None = None) -> dict[str, Array]: ...
    async def ready(self) -> bool: ...
    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class RoutedReplica:
    """A replica as its stage sees it. `failures` counts calls that failed since the last that succeeded."""

    spec: ReplicaSpec
    client: Client
    model: ModelMetadata
    up: bool = True
    retired: bool = False
    in_flight: int = 0
    failures: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Ticket:
    """What a request brings to a stage and where its answer goes. `failures`: calls that failed with it inside."""

    tensors: Tensors
    answer: asyncio.Future[Tensors | Refusal]
    failures: int = 0


@dataclass(frozen=True, slots=True)
class StageLimits:
    """What holds for every stage: from the start message."""

    drop_after_s: float
    queue_limit: int
    in_flight: int


class StageRouter:
    def __init__(
        self,
        name: str,
        limits: StageLimits,
        metrics: StageMetrics,
        background: Background,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.replicas: tuple[RoutedReplica, ...] = ()
        self.batch = 1
        self.remaining_s = 0.0
        self._limits = limits
        self._metrics = metrics
        self._background = background
        self._clock = clock
        self._queue: StageQueue[Ticket] = StageQueue(limits.queue_limit)
        metrics.queue_length.set_function(lambda: len(self._queue))
        metrics.replicas.set_function(lambda: sum(replica.up for replica in self.replicas))
        metrics.in_flight.set_function(lambda: sum(replica.in_flight for replica in self.replicas))

    @property
    def queue_length(self) -> int:
        return len(self._queue)

    @property
    def live(self) -> bool:
        return any(replica.up for replica in self.replicas)

    def route(self, route: StageRoute, replicas: Sequence[RoutedReplica]) -> list[RoutedReplica]:
        """From now on `replicas` take the batches; returns those that left, which finish what they hold."""
        left = [replica for replica in self.replicas if replica not in replicas]
        for replica in left:
            replica.retired = True
            if replica.in_flight == 0:
                replica.idle.set()
        self.replicas = tuple(replicas)
        self.batch, self.remaining_s = route.batch, route.remaining_s
        self._dispatch()
        return left

    async def process(self, tensors: Tensors, rows: int, received_s: float) -> Tensors | Refusal:
        """Wait for a place in a batch and for its answer. If the caller is cancelled, its place is freed."""
        if not self.live:
            return outcome.no_replica(self.name)
        queued_s = self._clock()
        ticket = Ticket(tensors, asyncio.get_running_loop().create_future())
        waiting = Waiting(ticket, rows, kind(tensors), received_s, queued_s)
        if not self._queue.put(waiting):
            return outcome.queue_full(self.name, self._limits.queue_limit)
        self._dispatch()
        try:
            answer = await ticket.answer
        finally:
            self._queue.discard(waiting)
        if not isinstance(answer, Refusal):
            self._metrics.latency.observe(self._clock() - queued_s)
        return answer

    def _dispatch(self) -> None:
        """Hand out batches while a replica is free and something waits; with no live replica refuse all."""
        if not self.live:
            for waiting in self._queue.clear():
                _answer(waiting, outcome.no_replica(self.name))
        while self._queue and (replica := self._free()) is not None:
            now_s = self._clock()
            taken = self._queue.take(now_s, self.batch, self.remaining_s, self._limits.drop_after_s)
            for waiting in taken.dropped:
                _answer(waiting, self._too_late(waiting, now_s))
            if taken.batch:
                self._start(replica, taken.batch, now_s)

    def _free(self) -> RoutedReplica | None:
        """The least loaded live replica with room for a batch; among equals the first of the plan."""
        free = [r for r in self.replicas if r.up and r.in_flight < self._limits.in_flight]
        return min(free, key=lambda replica: replica.in_flight, default=None)

    def _start(self, replica: RoutedReplica, batch: tuple[Waiting[Ticket], ...], now_s: float) -> None:
        for waiting in batch:
            self._metrics.queue_wait.observe(now_s - waiting.queued_s)
        self._metrics.batch_size.observe(sum(waiting.rows for waiting in batch))
        replica.in_flight += 1
        self._background.start(self._serve(replica, batch))

    async def _serve(self, replica: RoutedReplica, batch: tuple[Waiting[Ticket], ...]) -> None:
        try:
            merged = merge([waiting.content.tensors for waiting in batch])
            outputs = await replica.client.infer(merged, self._call_timeout_s)
            answers = split(outputs, [waiting.rows for waiting in batch])
        except (Unavailable, ServingError) as error:
            self._failed(replica, batch, error)
        else:
            replica.failures = 0
            self._metrics.variant_answers(replica.spec.variant).inc(len(batch))
            for waiting, answer in zip(batch, answers, strict=True):
                _answer(waiting, answer)
        finally:
            replica.in_flight -= 1
            if replica.retired and replica.in_flight == 0:
                replica.idle.set()
        self._dispatch()

    def _failed(self, replica: RoutedReplica, batch: Sequence[Waiting[Ticket]], error: Exception) -> None:
        """The replica leaves dispatch; its batch goes to another once, back at the queue's head."""
        self._take_down(replica)
        again = []
        for waiting in batch:
            waiting.content.failures += 1
            if waiting.content.failures > 1:
                _answer(waiting, outcome.failed(self.name, str(error)))
            elif not waiting.content.answer.done():  # its client may have left
                again.append(waiting)
        self._queue.put_back(again)

    def _take_down(self, replica: RoutedReplica) -> None:
        replica.failures += 1
        if replica.up:
            replica.up = False
            if not replica.retired:
                self._background.start(self._probe(replica))

    async def _probe(self, replica: RoutedReplica) -> None:
        """Ask a fallen replica again and again, ever slower; failures in a row make the first wait longer."""
        wait_s = min(PROBE_FIRST_S * 2 ** min(replica.failures - 1, 8), PROBE_LONGEST_S)
        while not replica.up:
            await asyncio.sleep(wait_s)
            if replica.retired:
                return
            replica.up = await replica.client.ready() and not replica.retired
            wait_s = min(wait_s * 2, PROBE_LONGEST_S)
        self._dispatch()

    @property
    def _call_timeout_s(self) -> float:
        return max(CALL_TIMEOUT_S, 2 * self._limits.drop_after_s)

    def _too_late(self, waiting: Waiting[Ticket], now_s: float) -> Refusal:
        age_s = now_s - waiting.received_s
        return outcome.too_late(self.name, age_s, self.remaining_s, self._limits.drop_after_s)


def _answer(waiting: Waiting[Ticket], answer: Tensors | Refusal) -> None:
    """Nobody listens any more if the client left; that is no fault."""
    if not waiting.content.answer.done():
        waiting.content.answer.set_result(answer)
