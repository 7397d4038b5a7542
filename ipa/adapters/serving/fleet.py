"""The replicas of a run: starting several at once, noticing a death, stopping; and the cores they used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ipa.adapters.serving.replica_process import ReplicaProcess, ReplicaSpec, start_replica
from ipa.adapters.serving.routing import RoutedReplica
from ipa.adapters.serving.runtime import ModelServer
from ipa.adapters.serving.usage import CoreSeconds
from ipa.domain import Allocation


@dataclass(frozen=True, slots=True)
class Member:
    """A warm replica: its process, and how the router sees it."""

    process: ReplicaProcess
    routed: RoutedReplica

    @property
    def id(self) -> str:
        return self.routed.id

    @property
    def stage(self) -> str:
        return self.routed.stage


class Fleet:
    """`server_of` says what a replica runs, `died` is called once for each member that ended by itself."""

    def __init__(
        self, server_of: Callable[[Allocation], ModelServer], log_folder: Path, died: Callable[[Member], None]
    ) -> None:
        self._server_of = server_of
        self._log_folder = log_folder
        self._died = died
        self._members: dict[str, Member] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._ids: set[str] = set()
        self._used = CoreSeconds()

    def members(self) -> tuple[Member, ...]:
        """All that run and are warm, oldest first."""
        return tuple(self._members.values())

    def of_stage(self, stage: str) -> tuple[Member, ...]:
        return tuple(member for member in self._members.values() if member.stage == stage)

    def core_seconds(self) -> float:
        return self._used.total(time.monotonic())

    async def start(self, allocations: Iterable[Allocation]) -> tuple[Member, ...]:
        """All replicas of all `allocations` at the same time, warm; or none, and the first error is raised."""
        starts = [self._start(allocation) for allocation in allocations for _ in range(allocation.replicas)]
        results = await asyncio.gather(*starts, return_exceptions=True)
        started = tuple(result for result in results if isinstance(result, Member))
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            await self.stop(started)
            raise errors[0]
        return started

    async def _start(self, allocation: Allocation) -> Member:
        spec = ReplicaSpec(
            id=self._free_id(allocation),
            stage=allocation.stage,
            variant=allocation.variant,
            server=self._server_of(allocation),
            batch=allocation.batch,
        )
        self._count_in(spec.id, allocation.cores)
        try:
            process = await start_replica(spec, self._log_folder)
        except BaseException:  # also when the start is cancelled: what did not come up uses no cores
            self._count_out(spec.id)
            raise
        member = Member(process, RoutedReplica(spec.id, spec.stage, allocation.server, process.address))
        self._members[spec.id] = member
        self._watches[spec.id] = asyncio.create_task(self._watch(member))
        return member

    def _free_id(self, allocation: Allocation) -> str:
        """Numbers are used again, and with them log files: a model that never comes up must not fill the disk."""
        names = (f"{allocation.stage}-{allocation.variant}-{number}" for number in count(1))
        return next(name for name in names if name not in self._ids)

    def _count_in(self, replica_id: str, cores: int) -> None:
        self._ids.add(replica_id)
        self._used.begin(replica_id, cores, time.monotonic())

    def _count_out(self, replica_id: str) -> None:
        self._ids.remove(replica_id)
        self._used.end(replica_id, time.monotonic())

    async def _watch(self, member: Member) -> None:
        await member.process.child.wait()
        self._remove(member)
        self._died(member)

    def _remove(self, member: Member) -> None:
        del self._members[member.id], self._watches[member.id]
        self._count_out(member.id)

    async def stop(self, members: Iterable[Member]) -> None:
        """SIGTERM, if need be SIGKILL; returns once all are reaped. Members that are gone already are skipped."""
        await asyncio.gather(*(self._stop(m) for m in members if self._members.get(m.id) is m))

    async def _stop(self, member: Member) -> None:
        self._watches[member.id].cancel()
        await member.process.child.stop()
        member.process.child.forget_empty_log()
        self._remove(member)

    async def stop_all(self) -> None:
        await self.stop(self.members())
