"""The pipeline as a graph of stages, the way of a request through it, and the swap from one plan to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from ipa.dataplane import outcome
from ipa.dataplane.background import Background
from ipa.dataplane.graph import Journey, Node
from ipa.dataplane.joints import check_alike, pipeline_model
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.plan import ReplicaSpec, RoutePlan, StageRoute
from ipa.dataplane.protocol import ModelMetadata, check_model
from ipa.dataplane.replica import Replica
from ipa.dataplane.routed import Client, RoutedReplica
from ipa.dataplane.stage import StageLimits, StageRouter
from ipa.dataplane.tensors import Tensors

CONNECT_TIMEOUT_S = 10.0
DRAIN_TIMEOUT_S = 30.0

Connect = Callable[[ReplicaSpec], Awaitable[tuple[Client, ModelMetadata]]]


async def connect(spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
    """A connected client and what its model takes and returns. Raises Unavailable."""
    replica = Replica(spec.address, spec.model)
    try:
        await replica.connect(CONNECT_TIMEOUT_S)
        return replica, await replica.metadata()
    except BaseException:
        await replica.close()
        raise


@dataclass(frozen=True, slots=True)
class Drain:
    """Ids of the replicas that left: without a batch in flight, or still with one after the time allowed."""

    drained: tuple[str, ...]
    undrained: tuple[str, ...]


class Router:
    def __init__(
        self,
        pipeline: str,
        nodes: Sequence[Node],
        limits: StageLimits,
        metrics: Metrics,
        background: Background,
        clock: Callable[[], float],
        connect: Connect = connect,
    ) -> None:
        """`nodes`: each listed after those it waits for; `stages` are in the same order."""
        self.pipeline = pipeline
        self.model: ModelMetadata | None = None  # None until every stage had a replica once
        self.stages = tuple(
            StageRouter(node.name, limits, metrics.stage(node.name), background, clock) for node in nodes
        )
        self._nodes = tuple(nodes)
        self._by_name = {stage.name: stage for stage in self.stages}
        self._plan: RoutePlan | None = None
        self._background = background
        self._clock = clock
        self._connect = connect
        self._changing = asyncio.Lock()  # two plans at once: the second waits until the first is routed

    @property
    def ready(self) -> bool:
        """Whether a request would find a live replica in every stage."""
        return self._plan is not None and all(stage.live for stage in self.stages)

    async def answer(self, tensors: Tensors, rows: int, received_s: float) -> Tensors | Refusal:
        """Through all stages on the request's way; the first refusal ends it. If cancelled, its places are freed."""
        if self._plan is None:
            return outcome.no_plan()
        journey = Journey(self._nodes, tensors)
        running: dict[asyncio.Task[Tensors | Refusal], Node] = {}

        def process(node: Node) -> Coroutine[None, None, Tensors | Refusal]:
            return self._by_name[node.name].process(journey.arrived(node), rows, received_s)

        try:
            while (ready := journey.next()) or running:
                if len(ready) == 1 and not running:  # as ever in a straight line, which costs no task
                    answered = [(ready[0], await process(ready[0]))]
                else:
                    running |= {asyncio.create_task(process(node)): node for node in ready}
                    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    answered = [(running.pop(task), task.result()) for task in done]
                for node, result in answered:
                    if isinstance(result, Refusal):
                        return result
                    journey.done(node.name, result)
            return journey.answer()
        finally:
            if running:
                await _cancelled(running)

    async def apply(self, plan: RoutePlan) -> Drain:
        """Connect what is new, then swap all stages in one step; returns when what left has drained (≤ 30 s).

        Raises Unavailable or ServingError if a new replica cannot be used; then nothing has changed.
        """
        return await self.drained(await self.switch(plan))

    async def switch(self, plan: RoutePlan) -> list[RoutedReplica]:
        """The first half of apply: returns, once `plan` is routed, what left and is yet to be drained."""
        async with self._changing:
            return await self._swap(plan)

    def state(self) -> dict[str, object]:
        """The last plan with the state of every replica and the length of every queue."""
        if self._plan is None:
            return {"stages": []}
        rows = zip(self._plan.stages, self.stages, strict=True)
        followed = {} if self._plan.revision is None else {"revision": self._plan.revision}
        return followed | {"stages": [_stage_state(route, stage, self._clock()) for route, stage in rows]}

    async def close(self) -> None:
        for replica in self._routed():
            await replica.client.close()

    def _routed(self) -> Iterable[RoutedReplica]:
        return (replica for stage in self.stages for replica in stage.replicas)

    async def _swap(self, plan: RoutePlan) -> list[RoutedReplica]:
        """Returns the replicas that left. What stays keeps its connection, what is new gets one."""
        kept = {(stage.name, r.spec): r for stage in self.stages for r in stage.replicas}
        wanted = [(route.stage, spec) for route in plan.stages for spec in route.replicas]
        new = [key for key in wanted if key not in kept]
        connected = await self._connected([spec for _, spec in new])
        found = kept | dict(zip(new, connected, strict=True))
        routed = [[found[route.stage, spec] for spec in route.replicas] for route in plan.stages]
        try:
            model = self._checked(routed)
        except BaseException:
            await _close(connected)
            raise
        # No await from here on: no request sees half a plan.
        self._plan, self.model = plan, model
        rows = zip(self.stages, plan.stages, routed, strict=True)
        return [left for stage, route, replicas in rows for left in stage.route(route, replicas)]

    def _checked(self, routed: Sequence[Sequence[RoutedReplica]]) -> ModelMetadata | None:
        """What the pipeline takes and returns; None while a stage has not had a replica yet. Raises ServingError."""
        known = {stage.name: stage.model for stage in self.stages if stage.model is not None}
        for node, replicas in zip(self._nodes, routed, strict=True):
            for replica in replicas:
                check_model(replica.model, f"replica {replica.spec.id!r}")
                known[node.name] = replicas[0].model
            if replicas:
                check_alike(node.name, {replica.spec.id: replica.model for replica in replicas})
        return pipeline_model(self.pipeline, self._nodes, known) if len(known) == len(self._nodes) else self.model

    async def _connected(self, specs: Sequence[ReplicaSpec]) -> list[RoutedReplica]:
        """All of `specs`, or none and the first error."""
        results = await asyncio.gather(*map(self._connect, specs), return_exceptions=True)
        connected = [
            RoutedReplica(spec, *result)
            for spec, result in zip(specs, results, strict=True)
            if not isinstance(result, BaseException)
        ]
        for result in results:
            if isinstance(result, BaseException):
                await _close(connected)
                raise result
        return connected

    async def drained(self, left: Sequence[RoutedReplica]) -> Drain:
        """The second half: each is closed when idle, however long that takes; the answer waits for 30 s at most."""
        closing = {replica.spec.id: self._background.start(_close_when_idle(replica)) for replica in left}
        if closing:
            await asyncio.wait(closing.values(), timeout=DRAIN_TIMEOUT_S)
        return Drain(
            drained=tuple(replica_id for replica_id, closed in closing.items() if closed.done()),
            undrained=tuple(replica_id for replica_id, closed in closing.items() if not closed.done()),
        )


async def _cancelled(running: Iterable[asyncio.Task[Tensors | Refusal]]) -> None:
    """Ends what still runs for a request that was refused or whose client left, and waits until it is gone."""
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _close(replicas: Iterable[RoutedReplica]) -> None:
    for replica in replicas:
        await replica.client.close()


async def _close_when_idle(replica: RoutedReplica) -> None:
    await replica.idle.wait()
    await replica.client.close()


def _stage_state(route: StageRoute, stage: StageRouter, now_s: float) -> dict[str, object]:
    return {
        "stage": route.stage,
        "batch": route.batch,
        "remaining_s": route.remaining_s,
        "batch_wait_s": stage.rule.wait_s,
        "p99_s": route.p99_s,
        "queue_length": stage.queue_length,
        "replicas": [replica.as_json(now_s) for replica in stage.replicas],
    }
