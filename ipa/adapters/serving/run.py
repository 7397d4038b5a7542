"""One local run, from the first process to the last: state folder, router, replicas, signals, exit code."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from ipa.adapters import state
from ipa.adapters.serving.control_api import ControlApi, listen
from ipa.adapters.serving.loopback import check_free
from ipa.adapters.serving.supervisor import Supervisor
from ipa.domain import Config, Plan

STOPPED = 0
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the pipeline listens; 0 is any free port."""

    rest: int
    grpc: int


def serve_plan(config: Config, plan: Plan, ports: Ports, announce: Callable[[str], None]) -> int:
    """Serves until stopped; returns the exit code: 0 after SIGTERM or POST /stop, 130 after ^C.

    `announce` takes one line about what has been reached. Raises ServingError if something does not start; nothing
    runs any more then.
    """
    with state.claim(config.pipeline.name) as folder:
        check_free(ports.rest)
        check_free(ports.grpc)
        return asyncio.run(_serve(config, plan, ports, folder, announce))


async def _serve(config: Config, plan: Plan, ports: Ports, folder: Path, announce: Callable[[str], None]) -> int:
    stop = asyncio.Event()
    signals = _Signals(stop, folder)
    token, admin_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    async with AsyncExitStack() as at_exit:
        supervisor = Supervisor(config, folder, admin_token)
        at_exit.push_async_callback(supervisor.stop)
        router = await supervisor.start_router(ports.rest, ports.grpc)
        runner, control_url = await listen(ControlApi(supervisor, token, stop))
        at_exit.push_async_callback(runner.cleanup)
        state.write(
            folder,
            state.RunState(
                config.pipeline.name,
                os.getpid(),
                router.url,
                control_url,
                token,
                router.admin_url,
                admin_token,
                router.grpc_address,
            ),
        )
        listens = f"{config.pipeline.name} listens on {router.url} and for gRPC on {router.grpc_address}"
        announce(f"{listens}, starting {_replicas(plan)}")
        if await _unless_stopped(supervisor.start(plan), stop):
            announce(f"ready: {router.url}/v2/models/{config.pipeline.name}")
            await stop.wait()
        announce("stopping")
    return signals.exit_code


def _replicas(plan: Plan) -> str:
    count = sum(allocation.replicas for allocation in plan.allocations)
    return f"{count} model server{'s' if count != 1 else ''} on {plan.total_cores} cores"


async def _unless_stopped(work: object, stop: asyncio.Event) -> bool:
    """Whether `work` was done before `stop` was set; if not, it is cancelled. Raises what `work` raises."""
    assert asyncio.iscoroutine(work)
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    done = working.done()
    for task in (working, stopped):
        task.cancel()
    results = await asyncio.gather(working, stopped, return_exceptions=True)
    if done and isinstance(results[0], BaseException):
        raise results[0]
    return done


class _Signals:
    """SIGTERM and the first SIGINT stop the run in order; a second SIGINT ends it at once."""

    def __init__(self, stop: asyncio.Event, folder: Path) -> None:
        self.exit_code = STOPPED
        self._stop = stop
        self._folder = folder
        self._interrupts = 0
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            state.remove(self._folder)
            os._exit(INTERRUPTED)  # the children follow: their lifelines end with this process
        self.exit_code = INTERRUPTED
        self._stop.set()
