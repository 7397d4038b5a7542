"""A replica that answers when told to, a clock that moves when told to, and a router built on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ipa.dataplane.background import Background
from ipa.dataplane.graph import Node, line
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.plan import ReplicaSpec, RoutePlan, StageRoute
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.replica import ModelError
from ipa.dataplane.routed import Client
from ipa.dataplane.router import Router
from ipa.dataplane.stage import StageLimits
from ipa.dataplane.tensors import Array, Tensors, TensorSpec
from ipa.errors import Unavailable


@dataclass(slots=True)
class FakeClock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(slots=True)
class FakeReplica:
    """Doubles `x` into `x`, or computes what it is told to. While `gate` is closed a call waits.

    `faults` are raised first, one a call; `fails` says on which first columns its model fails.
    """

    faults: list[Exception] = field(default_factory=list)
    is_ready: bool = True
    calls: list[list[float]] = field(default_factory=list)  # the first column of every batch it got
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False
    compute: Callable[[Tensors], dict[str, Array]] = lambda inputs: {"x": inputs["x"] * 2}
    fails: Callable[[list[float]], bool] = lambda values: False
    timeouts_s: list[float | None] = field(default_factory=list)

    async def infer(self, inputs: Tensors, timeout_s: float | None = None) -> dict[str, Array]:
        assert not self.closed, "a closed replica was called"
        some = next(iter(inputs.values()))
        values = some.reshape(len(some), -1)[:, 0].tolist()
        self.calls.append(values)
        self.timeouts_s.append(timeout_s)
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        if self.fails(values):
            raise ModelError(f"cannot do {values}")
        return self.compute(inputs)

    async def ready(self) -> bool:
        return self.is_ready

    async def close(self) -> None:
        self.closed = True

    @property
    def held(self) -> int:
        return len(self.calls)


def doubling(name: str = "double") -> ModelMetadata:
    tensor = TensorSpec("x", "FP32", (-1, 2))
    return ModelMetadata(name, (tensor,), (tensor,))


def spec(replica_id: str) -> ReplicaSpec:
    return ReplicaSpec(replica_id, "127.0.0.1:1", "double", "plain")


def route(
    stage: str,
    ids: Sequence[str],
    batch: int = 4,
    remaining_s: float = 0.0,
    batch_wait_s: float | None = None,
    p99_s: float | None = None,
) -> StageRoute:
    replicas = tuple(spec(replica_id) for replica_id in ids)
    return StageRoute(stage, batch, remaining_s, replicas, batch_wait_s, p99_s)


def plan(*stages: StageRoute) -> RoutePlan:
    return RoutePlan(stages)


def rows(*values: float) -> Tensors:
    """A request of one row per value."""
    return {"x": np.array([[value, 0.0] for value in values], dtype=np.float32)}


def first(answer: object) -> list[float]:
    """The first column of an answer's x."""
    assert isinstance(answer, dict), answer
    column: list[float] = answer["x"][:, 0].tolist()
    return column


class FakeWorld:
    """A router whose replicas are fakes, by id. Every gate starts open unless `closed` names it."""

    def __init__(
        self,
        stages: Sequence[str] | Sequence[Node] = ("one",),
        drop_after_s: float = 10.0,
        queue_limit: int = 100,
        in_flight: int = 1,
        batch_wait_s: float = 0.0,
    ) -> None:
        self.clock = FakeClock()
        self.replicas: dict[str, FakeReplica] = {}
        self._connected: set[str] = set()
        self.models: dict[str, ModelMetadata] = {}
        self.metrics = Metrics("pipe")
        self.crashes: list[BaseException] = []
        self.background = Background(self.crashes.append)
        limits = StageLimits(drop_after_s, queue_limit, in_flight, batch_wait_s)
        nodes = [stage if isinstance(stage, Node) else line([stage])[0] for stage in stages]
        if all(isinstance(stage, str) for stage in stages):
            nodes = list(line([node.name for node in nodes]))
        self.router = Router("pipe", nodes, limits, self.metrics, self.background, self.clock, self._connect)

    def replica(self, replica_id: str) -> FakeReplica:
        if replica_id not in self.replicas:
            self.replicas[replica_id] = FakeReplica()
        return self.replicas[replica_id]

    def open(self, *ids: str) -> None:
        for replica_id in ids:
            self.replica(replica_id).gate.set()

    def send(self, *values: float, age_s: float = 0.0) -> asyncio.Task[object]:
        answer = self.router.answer(rows(*values), len(values), self.clock.now_s - age_s)
        return asyncio.create_task(answer)

    async def close(self) -> None:
        await self.background.stop()
        await self.router.close()
        assert self.crashes == []

    async def _connect(self, wanted: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        if wanted.id.startswith("absent"):
            raise Unavailable(f"{wanted.id} does not answer")
        if wanted.id in self._connected:  # a second connection, which outlives the first
            self.replicas[wanted.id] = replace(self.replicas[wanted.id], closed=False)
        self._connected.add(wanted.id)
        return self.replica(wanted.id), self.models.get(wanted.id, doubling())


async def settle() -> None:
    """Let everything that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)
