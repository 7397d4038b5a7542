"""Real processes for tests: MLServer replicas and the router, started on free ports and always reaped."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ipa.adapters.serving.loopback import held_ports
from ipa.dataplane.replica import Replica

ROOT = Path(__file__).parents[2]
TOKEN = "secret"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def process(module: str, message: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """`python -m module` with its start message sent and its stdin left open."""
    child = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if module == "ipa.dataplane" else subprocess.DEVNULL,
        text=True,
    )
    try:
        assert child.stdin
        child.stdin.write(json.dumps(message) + "\n")
        child.stdin.flush()
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()


def start_message(**changes: Any) -> dict[str, Any]:
    return {
        "pipeline": "pipe",
        "host": "127.0.0.1",
        "port": 0,
        "grpc_port": 0,
        "admin_port": 0,
        "admin_token": TOKEN,
        "stages": ["one", "two"],
        "drop_after_s": 60.0,
        "batching": "greedy",
        "batch_wait_s": 1.0,
        "queue_limit": 10000,
        "in_flight": 1,
    } | changes


@dataclass(frozen=True, slots=True)
class Running:
    """A router process: what it announced, and the process itself."""

    child: subprocess.Popen[str]
    url: str
    grpc_address: str
    admin_url: str


@contextmanager
def router(**changes: Any) -> Iterator[Running]:
    with process("ipa.dataplane", start_message(**changes)) as child:
        assert child.stdout and child.stderr
        line = child.stdout.readline()
        assert line, child.stderr.read()
        ports = json.loads(line)
        public, admin = (f"http://127.0.0.1:{ports[name]}" for name in ("port", "admin_port"))
        yield Running(child, public, f"127.0.0.1:{ports['grpc_port']}", admin)


@dataclass(frozen=True, slots=True)
class Server:
    """One MLServer process of a stage, and its row for a plan."""

    child: subprocess.Popen[str]
    stage: str
    row: Mapping[str, str]

    @property
    def address(self) -> str:
        return self.row["address"]


class Servers:
    """Starts MLServer processes on demand; leaving the block ends them all."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def start(self, *stages: str, delay_s: float = 0.0) -> list[Server]:
        """One server for each name of `stages` (repeat a name for more replicas); waits until all are ready."""
        servers = [self._one(stage, delay_s) for stage in stages]
        asyncio.run(_all_ready(servers))
        return servers

    def start_small(self, *stages: str, delay_s: float = 0.0, garbage: str = "") -> list[Server]:
        """The same from a bare V2 gRPC server, which starts in a fraction of the time and can answer `garbage`."""
        servers = [self._one(stage, delay_s, "tests.dataplane.small_server", garbage=garbage) for stage in stages]
        asyncio.run(_all_ready(servers))
        return servers

    def _one(
        self, stage: str, delay_s: float, module: str = "tests.dataplane.doubling_server", **fields: Any
    ) -> Server:
        ports = self._stack.enter_context(held_ports(2))
        message = {"name": stage, "delay_s": delay_s, "http_port": ports[0], "grpc_port": ports[1], **fields}
        tensors = {"one": ("x", "y"), "two": ("y", "z")}[stage]
        message |= {"takes": tensors[0], "returns": tensors[1]}
        child = self._stack.enter_context(process(module, message))
        address = f"127.0.0.1:{ports[1]}"
        row = {"id": f"{stage}-{ports[1]}", "address": address, "model": stage, "variant": "double"}
        return Server(child, stage, row)


@contextmanager
def model_servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listening.getsockname()[1] for listening in sockets]


async def put_plan(running: Running, servers: list[Server], batch: int = 8, **fields: Any) -> dict[str, Any]:
    """Both stages with these servers and `fields`; returns the answer, which must be a 200."""
    stages = [
        {
            "stage": stage,
            "batch": batch,
            "remaining_s": 0.0,
            "replicas": [dict(server.row) for server in servers if server.stage == stage],
            **fields,
        }
        for stage in ("one", "two")
    ]
    url = f"{running.admin_url}/plan"
    async with (
        aiohttp.ClientSession(headers=AUTHORIZED) as session,
        session.put(url, json={"stages": stages}) as answer,
    ):
        document: dict[str, Any] = await answer.json()
        assert answer.status == 200, document
        return document


async def _all_ready(servers: list[Server]) -> None:
    async def wait(server: Server) -> None:
        replica = Replica(server.address, server.stage)
        await replica.connect(120.0)
        while not await replica.ready():
            assert server.child.poll() is None, "the model server ended"
            await asyncio.sleep(0.05)
        await replica.close()

    await asyncio.gather(*map(wait, servers))
