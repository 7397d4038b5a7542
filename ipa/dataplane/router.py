"""The pipeline as a straight line of stages, and the swap from one plan to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ipa.dataplane import outcome
from ipa.dataplane.background import Background
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.plan import ReplicaSpec, RoutePlan, StageRoute
from ipa.dataplane.protocol import ModelMetadata, check_joint, check_model
from ipa.dataplane.replica import Replica
from ipa.dataplane.stage import Client, RoutedReplica, StageLimits, StageRouter
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
        stages: Sequence[str],
        limits: StageLimits,
        metrics: Metrics,
        background: Background,
        clock: Callable[[], float],
        connect: Connect = connect,
    ) -> None:
        self.pipeline = pipeline
        self.model: ModelMetadata | None = None  # None until a plan with a replica at both ends was routed
        self.stages = tuple(StageRouter(name, limits, metrics.stage(name), background, clock) for name in stages)
        self._plan: RoutePlan | None = None
        self._background = background
        self._connect = connect
        self._changing = asyncio.Lock()  # two plans at once: the second waits until the first is routed

    @property
    def ready(self) -> bool:
        """Whether a request would find a live replica in every stage."""
        return self._plan is not None and all(stage.live for stage in self.stages)

    async def answer(self, tensors: Tensors, rows: int, received_s: float) -> Tensors | Refusal:
        """Through all stages: what one returns is exactly what the next takes."""
        if self._plan is None:
            return outcome.no_plan()
        for stage in self.stages:
            result = await stage.process(tensors, rows, received_s)
            if isinstance(result, Refusal):
                return result
            tensors = result
        return tensors

    async def apply(self, plan: RoutePlan) -> Drain:
        """Connect what is new, then swap all stages in one step; returns when what left has drained (≤ 30 s).

        Raises Unavailable or ServingError if a new replica cannot be used; then nothing has changed.
        """
        async with self._changing:
            routed = await self._replicas(plan)
            left = self._swap(plan, routed)
        return await self._drain(left)

    def state(self) -> dict[str, object]:
        """The last plan with the state of every replica and the length of every queue."""
        if self._plan is None:
            return {"stages": []}
        rows = zip(self._plan.stages, self.stages, strict=True)
        return {"stages": [_stage_state(route, stage) for route, stage in rows]}

    async def close(self) -> None:
        for replica in self._routed():
            await replica.client.close()

    def _routed(self) -> Iterable[RoutedReplica]:
        return (replica for stage in self.stages for replica in stage.replicas)

    async def _replicas(self, plan: RoutePlan) -> list[list[RoutedReplica]]:
        """The replicas of every stage: those that stay as they are, the new ones connected and checked."""
        kept = {(stage.name, r.spec): r for stage in self.stages for r in stage.replicas}
        wanted = [(route.stage, spec) for route in plan.stages for spec in route.replicas]
        new = [key for key in wanted if key not in kept]
        connected = await self._connected([spec for _, spec in new])
        found = kept | dict(zip(new, connected, strict=True))
        routed = [[found[route.stage, spec] for spec in route.replicas] for route in plan.stages]
        try:
            _check_models(routed)
        except BaseException:
            await _close(connected)
            raise
        return routed

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

    def _swap(self, plan: RoutePlan, routed: list[list[RoutedReplica]]) -> list[RoutedReplica]:
        """No await in here: no request sees half a plan."""
        self._plan = plan
        if routed[0] and routed[-1]:
            first, last = routed[0][0].model, routed[-1][0].model
            self.model = ModelMetadata(self.pipeline, first.inputs, last.outputs)
        left: list[RoutedReplica] = []
        for stage, route, replicas in zip(self.stages, plan.stages, routed, strict=True):
            left += stage.route(route, replicas)
        return left

    async def _drain(self, left: Sequence[RoutedReplica]) -> Drain:
        """Each is closed when idle, however long that takes; the answer waits for 30 s at most."""
        closing = {replica.spec.id: self._background.start(_close_when_idle(replica)) for replica in left}
        if closing:
            await asyncio.wait(closing.values(), timeout=DRAIN_TIMEOUT_S)
        return Drain(
            drained=tuple(replica_id for replica_id, closed in closing.items() if closed.done()),
            undrained=tuple(replica_id for replica_id, closed in closing.items() if not closed.done()),
        )


def _check_models(routed: list[list[RoutedReplica]]) -> None:
    """Raises ServingError unless all models fit: within a stage alike, and each stage feeds the next."""
    for replicas in routed:
        for replica in replicas:
            check_model(replica.model, f"replica {replica.spec.id!r}")
    for before, after in pairwise(routed):
        for giver in before:
            for taker in after:
                where = f"replica {giver.spec.id!r} before {taker.spec.id!r}"
                check_joint(giver.model, taker.model, where)


async def _close(replicas: Iterable[RoutedReplica]) -> None:
    for replica in replicas:
        await replica.client.close()


async def _close_when_idle(replica: RoutedReplica) -> None:
    await replica.idle.wait()
    await replica.client.close()


def _stage_state(route: StageRoute, stage: StageRouter) -> dict[str, object]:
    return {
        "stage": route.stage,
        "batch": route.batch,
        "remaining_s": route.remaining_s,
        "queue_length": stage.queue_length,
        "replicas": [
            {**replica.spec.as_json(), "in_flight": replica.in_flight, "up": replica.up} for replica in stage.replicas
        ],
    }
