"""A replica as its stage sees it: how loaded it is, whether it takes batches, and how long one may last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from ipa.dataplane.plan import ReplicaSpec
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import Array, Tensors

HANG_S = 2.0
HANG_FACTOR = 3.0


class Client(Protocol):
    """What a stage needs of a replica; replica.Replica is the real one."""

    async def infer(self, inputs: Tensors, timeout_s: float | None = None) -> dict[str, Array]: ...
    async def ready(self) -> bool: ...
    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class RoutedReplica:
    """`failures` counts faults since the last batch that succeeded; `down_since_s` is None while it takes batches."""

    spec: ReplicaSpec
    client: Client
    model: ModelMetadata
    retired: bool = False
    in_flight: int = 0
    failures: int = 0
    down_since_s: float | None = None
    fault: str = ""
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def up(self) -> bool:
        return self.down_since_s is None

    def as_json(self, now_s: float) -> dict[str, object]:
        """`down_s`: for how long it has taken no batches; null while it does."""
        return {
            **self.spec.as_json(),
            "in_flight": self.in_flight,
            "up": self.up,
            "down_s": None if self.down_since_s is None else round(now_s - self.down_since_s, 3),
            "fault": self.fault,
        }


@dataclass(slots=True, eq=False)
class Trial:
    """A replica's model failed on a batch. Was it a request, or the replica? Each member is tried alone elsewhere.

    The replica is convicted if others answer every member; one that fails again is guilty itself.
    """

    replica: RoutedReplica
    members: int
    acquitted: int = 0

    def answered(self, by: RoutedReplica) -> bool:
        """One member was answered; whether that convicts the replica."""
        if by is not self.replica:
            self.acquitted += 1
        return self.acquitted == self.members


def hang_timeout_s(p99_s: float, batches: int, share: float) -> float:
    """When a call counts as hanging: max(2 s, 3 × the profiled p99), of all batches that the replica works on.

    `share`: rows sent per row of the batch that was profiled; a request larger than a batch may take longer.
    """
    return max(HANG_S, HANG_FACTOR * p99_s * batches) * max(1.0, share)
