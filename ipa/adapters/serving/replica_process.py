"""One replica: a model server process, started, waited for, warmed up and measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

from ipa.adapters.serving.child import Child
from ipa.adapters.serving.model_server import PORT_TAKEN
from ipa.adapters.serving.runtime import ModelServer
from ipa.dataplane.replica import Replica
from ipa.dataplane.tensors import DTYPES, Array, TensorSpec
from ipa.errors import ServingError

START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_PORT_ATTEMPTS = 3
_DEATH_S = 1.0


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """What to start. `batch` is the largest batch it is warmed up for; `id` also names its log file."""

    id: str
    stage: str
    variant: str
    server: ModelServer
    batch: int


@dataclass(frozen=True, slots=True)
class ReplicaProcess:
    """A warm replica. `address` speaks V2 gRPC; `load_s` runs from spawn to warm; memory is resident, in MB."""

    spec: ReplicaSpec
    child: Child
    address: str
    load_s: float
    memory_mb: float


async def start_replica(spec: ReplicaSpec, log_folder: Path) -> ReplicaProcess:
    """A replica that has answered: nothing of it is left if this raises.

    Raises ServingError with the stage, the variant, the exit code and the last line of stderr.
    """
    for _ in range(_PORT_ATTEMPTS):
        with ExitStack() as until_warm:
            try:
                return await _start_once(spec, log_folder / f"{spec.id}.log", until_warm)
            except _PortLostError as error:
                lost = error
    raise ServingError(f"{_name(spec)}: {_PORT_ATTEMPTS} times somebody took its port first: {lost}")


class _PortLostError(Exception):
    """Somebody listened on a port between finding it free and using it."""


async def _start_once(spec: ReplicaSpec, log: Path, until_warm: ExitStack) -> ReplicaProcess:
    began_s = time.monotonic()
    async with AsyncExitStack() as unless_warm:
        spawned = await spec.server.spawn(spec.variant, log, until_warm)
        child = spawned.child
        unless_warm.push_async_callback(child.stop)
        await _until_warm(spec, child, spawned.address)
        replica = ReplicaProcess(spec, child, spawned.address, time.monotonic() - began_s, _memory_mb(spec, child))
        unless_warm.pop_all()
    return replica


async def _until_warm(spec: ReplicaSpec, child: Child, address: str) -> None:
    """Returns once the replica has answered its warm-up. Raises as soon as its process ends."""
    warm = asyncio.create_task(_ready_then_warm(spec, address))
    ended = asyncio.create_task(child.wait())
    try:
        await asyncio.wait((warm, ended), timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not warm.done() and not ended.done():
            raise ServingError(f"{_name(spec)} is not ready after {START_TIMEOUT_S:g} s: {child.last_line()}")
        if warm.done() and (error := warm.exception()) is None:
            return
        # A call that fails because the process ends is seen a moment before the end itself.
        await asyncio.wait((ended,), timeout=_DEATH_S)
        if ended.done():
            raise _death(spec, child)
        raise ServingError(f"{_name(spec)} fails its warm-up: {error}") from error
    finally:
        for each in (warm, ended):
            each.cancel()
        await asyncio.gather(warm, ended, return_exceptions=True)


async def _ready_then_warm(spec: ReplicaSpec, address: str) -> None:
    replica = Replica(address, spec.variant)
    try:
        # Of the model: MLServer's server-wide readiness says yes before the model is loaded.
        while not await replica.ready():
            await asyncio.sleep(_POLL_S)
        metadata = await replica.metadata()
        for batch in sorted({1, spec.batch}):
            inputs = zeros(metadata.inputs, batch)
            for _ in range(spec.server.warm_up_calls):
                await replica.infer(inputs)
    finally:
        await replica.close()


def zeros(tensors: Iterable[TensorSpec], batch: int) -> dict[str, Array]:
    """Inputs of `batch` rows for a model; whatever else its shape leaves open is 1. Raises ServingError."""
    return {tensor.name: _zeros(tensor, batch) for tensor in tensors}


def _zeros(tensor: TensorSpec, batch: int) -> Array:
    import numpy as np

    if tensor.datatype not in DTYPES:
        raise ServingError(f"input {tensor.name!r} is {tensor.datatype}: one of {', '.join(DTYPES)} is served")
    sizes = [1 if size == -1 else size for size in tensor.shape]
    return np.zeros((batch, *sizes[1:]), DTYPES[tensor.datatype])


def _death(spec: ReplicaSpec, child: Child) -> Exception:
    if child.exit_code == PORT_TAKEN:
        return _PortLostError(child.last_line())
    return ServingError(f"{_name(spec)} ended at start with exit code {child.exit_code}: {child.last_line()}")


def _name(spec: ReplicaSpec) -> str:
    return f"the model server of {spec.stage}/{spec.variant} ({spec.server})"


def _memory_mb(spec: ReplicaSpec, child: Child) -> float:
    import psutil

    try:
        return float(psutil.Process(child.pid).memory_info().rss) / 1e6
    except psutil.Error as error:
        raise ServingError(f"{_name(spec)} ended right after its warm-up: {child.last_line()}") from error
