"""The router as a child process, and the one call its parent makes: route this plan."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ipa.adapters.serving.child import Child, first_line, spawn
from ipa.adapters.serving.loopback import HOST
from ipa.domain import Config, Stage
from ipa.errors import ServingError, Unavailable

START_TIMEOUT_S = 30.0
# Longer than the router lets requests finish, so that it is not killed while it does.
STOP_TIMEOUT_S = 5.5
# Longer than the router's own bound on draining, 30 s.
_ROUTE_TIMEOUT_S = 60.0
_STATE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class RouterProcess:
    child: Child
    port: int
    grpc_port: int
    admin_port: int
    admin_token: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def grpc_address(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    @property
    def admin_url(self) -> str:
        return f"http://{HOST}:{self.admin_port}"

    async def route(self, plan: Mapping[str, Any]) -> tuple[str, ...]:
        """Switches to `plan`; returns the ids of replicas that left and have not drained after 30 s.

        Raises Unavailable if the router does not answer, ServingError if it refuses the plan.
        """
        answer = await self._ask("PUT", _ROUTE_TIMEOUT_S, json=plan)
        return tuple(answer["undrained"])

    async def down_s(self) -> dict[str, float]:
        """For how long each replica has taken no batches: those alone that are out of dispatch.

        Raises Unavailable or ServingError.
        """
        state = await self._ask("GET", _STATE_TIMEOUT_S)
        replicas = [replica for stage in state["stages"] for replica in stage["replicas"]]
        return {replica["id"]: replica["down_s"] for replica in replicas if replica["down_s"] is not None}

    async def _ask(self, method: str, timeout_s: float, **request: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.request(method, f"{self.admin_url}/plan", **request) as response,
            ):
                if response.status != 200:
                    raise ServingError(f"the router refuses {method} /plan: {response.status} {await response.text()}")
                answer: dict[str, Any] = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the router at {self.admin_url} does not answer {method} /plan: {error!r}") from error


def start_message(config: Config, port: int, grpc_port: int, admin_port: int, admin_token: str) -> dict[str, Any]:
    """What the router needs to know of a config; a port of 0 is any free one."""
    return {
        "pipeline": config.pipeline.name,
        "host": HOST,
        "port": port,
        "grpc_port": grpc_port,
        "admin_port": admin_port,
        "admin_token": admin_token,
        "stages": [_node(stage) for stage in config.pipeline.stages],
        "drop_after_s": config.pipeline.slo.drop_after_s,
        "batching": config.router.batching,
        "batch_wait_s": config.router.batch_wait_s,
        "queue_limit": config.router.queue_limit,
        "in_flight": config.router.in_flight,
    }


def _node(stage: Stage) -> dict[str, Any]:
    when = {"when": asdict(stage.when)} if stage.when is not None else {}
    return {"name": stage.name, "after": list(stage.after), **when}


async def start_router(message: Mapping[str, Any], log_folder: Path) -> RouterProcess:
    """A router that listens. Raises ServingError with its last words if it does not; nothing of it is left then."""
    async with AsyncExitStack() as unless_up:
        child = await spawn("ipa.dataplane", message, log_folder / "router.log", stdout=subprocess.PIPE)
        unless_up.push_async_callback(child.stop)
        ports = await first_line(child, "the router", START_TIMEOUT_S)
        unless_up.pop_all()
    return RouterProcess(child, ports["port"], ports["grpc_port"], ports["admin_port"], message["admin_token"])
