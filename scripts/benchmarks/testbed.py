"""One stage on this machine: model servers and a router before one of them, each a process; the clients are here.

Servers and router have one model name and one REST path, so the very same clients speak to either.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from benchmarks.clients import MODEL
from benchmarks.rows import Row
from ipa.adapters.serving.loopback import held_ports
from tests.dataplane.processes import AUTHORIZED, Running, process, router

STAGE = "stage"
START_TIMEOUT_S = 60.0
PLAIN: Mapping[str, Any] = {"module": "ipa.adapters.serving.model_server"}


@dataclass(frozen=True, slots=True)
class Server:
    """A model server that answers: `url` for REST, `address` for gRPC."""

    child: Popen[str]
    url: str
    address: str


@contextmanager
def servers(model: Path, *kinds: Mapping[str, Any]) -> Iterator[list[Server]]:
    """One server with `model` on one core for each of `kinds`: its module, and what else its start message holds."""
    with ExitStack() as stack:
        started = [stack.enter_context(_started(model, **kind)) for kind in kinds]
        for each in started:
            _wait_until_ready(each)
        yield started


@contextmanager
def _started(model: Path, module: str, **fields: Any) -> Iterator[Server]:
    message = {"name": MODEL, "model": str(model), "cores": 1, "host": "127.0.0.1", **fields}
    with (
        held_ports(2) as (http_port, grpc_port),
        process(module, {**message, "http_port": http_port, "grpc_port": grpc_port}) as child,
    ):
        yield Server(child, f"http://127.0.0.1:{http_port}", f"127.0.0.1:{grpc_port}")


def _wait_until_ready(starting: Server) -> None:
    import httpx

    end_s = time.monotonic() + START_TIMEOUT_S
    # trust_env off: a proxy named in the environment must not see calls to this machine
    with httpx.Client(base_url=starting.url, trust_env=False) as client:
        while starting.child.poll() is None and time.monotonic() < end_s:
            try:
                if client.get(f"/v2/models/{MODEL}/ready").status_code == 200:
                    return
            except httpx.TransportError:  # it does not listen yet
                pass
            time.sleep(0.05)
    raise SystemExit(f"bench: the model server at {starting.url} is not ready; exit code {starting.child.poll()}")


@contextmanager
def routed(to: Server, batch: int, **start: Any) -> Iterator[Running]:
    """A router with one stage, whose one replica is `to`; `start` changes fields of its start message."""
    import httpx

    with router(pipeline=MODEL, stages=[STAGE], **start) as running:
        with httpx.Client(headers=AUTHORIZED, trust_env=False) as client:
            client.put(f"{running.admin_url}/plan", json=plan(batch, to)).raise_for_status()
        yield running


def plan(batch: int, *to: Server) -> dict[str, Any]:
    """What a router with one stage is told, so that it sends batches of `batch` to these servers."""
    replicas = [{"id": each.address, "address": each.address, "model": MODEL, "variant": MODEL} for each in to]
    return {"stages": [{"stage": STAGE, "batch": batch, "remaining_s": 0.0, "replicas": replicas}]}


def judged(row: Row, target: str, *, met: bool) -> Row:
    """The row with what is promised and whether it holds; the promise is never fitted to the figures."""
    return {**row, "target": target, "met": met}
