"""One stage: its queue, its replicas, who gets the next batch, and what a failed batch means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipa.dataplane import outcome
from ipa.dataplane.background import Background
from ipa.dataplane.batching import kind, merge, promised, split
from ipa.dataplane.joints import can_merge
from ipa.dataplane.metrics import StageMetrics
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.plan import StageRoute
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.queue import Rule, StageQueue, Waiting
from ipa.dataplane.replica import ModelError
from ipa.dataplane.routed import RoutedReplica, Trial, hang_timeout_s
from ipa.dataplane.tensors import Tensors
from ipa.errors import ServingError, Unavailable

PROBE_FIRST_S = 0.5
PROBE_LONGEST_S = 5.0
CALL_TIMEOUT_S = 30.0  # for a replica that nobody profiled; no batch of a plan that meets its SLO takes as long
WAKE_SHORTEST_S = 0.001  # a timer may fire a little early; then it sleeps again, but does not spin


@dataclass(slots=True, eq=False)
class Ticket:
    """What a request brings to a stage and where its answer goes.

    `moves`: replicas that failed with it inside. `trial` is set once a model failed on its batch: it is alone now.
    """

    tensors: Tensors
    answer: asyncio.Future[Tensors | Refusal]
    moves: int = 0
    trial: Trial | None = None

    def reply(self, answer: Tensors | Refusal) -> None:
        """Nobody listens any more if the client left; that is no fault."""
        if not self.answer.done():
            self.answer.set_result(answer)


Batch = Sequence[Waiting[Ticket]]


@dataclass(frozen=True, slots=True)
class StageLimits:
    """What holds for every stage: from the start message. A plan may give a stage another `batch_wait_s`."""

    drop_after_s: float
    queue_limit: int
    in_flight: int
    batch_wait_s: float = 0.0


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
        self.model: ModelMetadata | None = None  # the last known; None before the first replica
        self.rule = Rule(1, limits.batch_wait_s, 0.0, limits.drop_after_s)
        self._p99_s: float | None = None
        self._merges = False
        self._limits = limits
        self._metrics = metrics
        self._background = background
        self._clock = clock
        self._queue: StageQueue[Ticket] = StageQueue(limits.queue_limit)
        self._wake_s: float | None = None
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
        if replicas:
            self.model = replicas[0].model
            self._merges = all(can_merge(replica.model) for replica in replicas)
        wait_s = self._limits.batch_wait_s if route.batch_wait_s is None else route.batch_wait_s
        self.rule = replace(self.rule, batch=route.batch, wait_s=wait_s, remaining_s=route.remaining_s)
        self._p99_s = route.p99_s
        self._dispatch()
        return left

    async def process(self, arrived: Tensors, rows: int, received_s: float) -> Tensors | Refusal:
        """Wait for a place in a batch and for its answer, of what the model takes of `arrived`.

        If the caller is cancelled, its place is freed.
        """
        if self.model is None or not self.live:
            return outcome.no_replica(self.name)
        queued_s = self._clock()
        try:
            tensors = {spec.name: arrived[spec.name] for spec in self.model.inputs}
        except KeyError as absent:  # only if a plan gave the stages other tensors while the request was under way
            return outcome.model_failed(self.name, f"it takes {absent}, which no stage before it returned")
        ticket = Ticket(tensors, asyncio.get_running_loop().create_future())
        waiting = Waiting(ticket, rows, kind(tensors) if self._merges else None, received_s, queued_s)
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

    # --- dispatch -----------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Hand out batches while a replica is free and something may go to it; with no live replica refuse all."""
        if not self.live:
            for waiting in self._queue.clear():
                waiting.content.reply(outcome.no_replica(self.name))
        free = [r for r in self.replicas if r.up and r.in_flight < self._limits.in_flight]
        while self._queue and free:
            replica = min(free, key=lambda each: each.in_flight)  # the least loaded; among equals the plan's first
            now_s = self._clock()
            taken = self._queue.take(now_s, self.rule, partial(self._is_barred, replica))
            for waiting in taken.dropped:
                waiting.content.reply(self._too_late(waiting, now_s))
            if taken.batch:
                self._start(replica, taken.batch, now_s)
            if taken.wait_until_s is not None:
                self._wake_at(taken.wait_until_s, now_s)
            if not taken.batch or replica.in_flight >= self._limits.in_flight:
                free.remove(replica)

    def _is_barred(self, replica: RoutedReplica, ticket: Ticket) -> bool:
        """A request goes alone to another replica than the one that failed on it, if there is one."""
        if ticket.trial is None or ticket.trial.replica is not replica:
            return False
        return self._has_other(replica)

    def _has_other(self, replica: RoutedReplica) -> bool:
        return any(other.up for other in self.replicas if other is not replica)

    def _wake_at(self, at_s: float, now_s: float) -> None:
        if self._wake_s is None or at_s < self._wake_s:
            self._wake_s = at_s
            self._background.start(self._wake(at_s, max(WAKE_SHORTEST_S, at_s - now_s)))

    async def _wake(self, at_s: float, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        if self._wake_s == at_s:
            self._wake_s = None
        self._dispatch()

    def _start(self, replica: RoutedReplica, batch: Batch, now_s: float) -> None:
        for waiting in batch:
            self._metrics.queue_wait.observe(now_s - waiting.queued_s)
        self._metrics.batch_size.observe(sum(waiting.rows for waiting in batch))
        replica.in_flight += 1
        self._background.start(self._serve(replica, batch))

    async def _serve(self, replica: RoutedReplica, batch: Batch) -> None:
        rows = [waiting.rows for waiting in batch]
        try:
            merged = merge([waiting.content.tensors for waiting in batch])
            outputs = await replica.client.infer(merged, self._timeout_s(replica, sum(rows)))
            answers = split(promised(outputs, replica.model.outputs), rows)
        except ModelError as error:
            self._model_failed(replica, batch, str(error))
        except (Unavailable, ServingError) as error:
            self._replica_failed(replica, batch, str(error))
        else:
            self._succeeded(replica, batch, answers)
        finally:
            replica.in_flight -= 1
            if replica.retired and replica.in_flight == 0:
                replica.idle.set()
        self._dispatch()

    def _timeout_s(self, replica: RoutedReplica, rows: int) -> float:
        if self._p99_s is None:
            return max(CALL_TIMEOUT_S, 2 * self.rule.drop_after_s)
        return hang_timeout_s(self._p99_s, replica.in_flight, rows / self.rule.batch)

    def _too_late(self, waiting: Waiting[Ticket], now_s: float) -> Refusal:
        age_s = now_s - waiting.received_s
        return outcome.too_late(self.name, age_s, self.rule.remaining_s, self.rule.drop_after_s)

    # --- what became of a batch ---------------------------------------------------------------------------------

    def _succeeded(self, replica: RoutedReplica, batch: Batch, answers: Sequence[Tensors]) -> None:
        replica.failures = 0
        self._metrics.variant_answers(replica.spec.variant).inc(len(batch))
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.content.reply(answer)
            trial = waiting.content.trial
            if trial is not None and trial.answered(replica):
                self._take_down(trial.replica, "its model fails on what other replicas answer")

    def _model_failed(self, replica: RoutedReplica, batch: Batch, cause: str) -> None:
        """A living server's model failed: each member is tried once more, alone; the replica stays in dispatch."""
        again: list[Waiting[Ticket]] = []
        trial = Trial(replica, len(batch))
        for waiting in batch:
            ticket = waiting.content
            if ticket.trial is not None or (len(batch) == 1 and not self._has_other(replica)):
                ticket.reply(outcome.model_failed(self.name, cause))
            elif not ticket.answer.done():  # its client may have left
                ticket.trial = trial
                waiting.kind = None
                again.append(waiting)
        self._put_back(again, "model")

    def _replica_failed(self, replica: RoutedReplica, batch: Batch, cause: str) -> None:
        """The replica leaves dispatch; its batch goes to another once, back at the queue's head."""
        self._take_down(replica, cause)
        again: list[Waiting[Ticket]] = []
        for waiting in batch:
            ticket = waiting.content
            ticket.moves += 1
            if ticket.moves > 1:
                ticket.reply(outcome.failed(self.name, cause))
            elif not ticket.answer.done():
                again.append(waiting)
        self._put_back(again, "replica")

    def _put_back(self, batch: Batch, cause: str) -> None:
        self._metrics.retries[cause].inc(len(batch))
        self._queue.put_back(batch)

    def _take_down(self, replica: RoutedReplica, fault: str) -> None:
        replica.failures += 1
        replica.fault = fault
        if replica.up:
            replica.down_since_s = self._clock()
            self._metrics.replica_failures.inc()
            if not replica.retired:
                self._background.start(self._probe(replica))

    async def _probe(self, replica: RoutedReplica) -> None:
        """Ask a fallen replica again and again, ever slower; failures in a row make the first wait longer."""
        wait_s = min(PROBE_FIRST_S * 2 ** min(replica.failures - 1, 8), PROBE_LONGEST_S)
        while True:
            await asyncio.sleep(wait_s)
            if replica.retired:
                return
            if await replica.client.ready():
                replica.down_since_s = None
                self._dispatch()
                return
            wait_s = min(wait_s * 2, PROBE_LONGEST_S)
