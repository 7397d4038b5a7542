"""The router process: start message, ports, lifeline, signals."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import urllib.error
import urllib.request
from typing import Any

import aiohttp
import numpy as np
import pytest

from ipa.dataplane.replica import Replica
from tests.dataplane.processes import (
    AUTHORIZED,
    Running,
    model_servers,
    process,
    put_plan,
    router,
    start_message,
)

pytestmark = pytest.mark.slow


def status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_it_announces_its_ports_and_serves_both() -> None:
    with router() as running:
        assert status(f"{running.url}/v2/health/live") == 200
        assert status(f"{running.url}/v2/health/ready") == 503
        assert status(f"{running.url}/metrics") == 200
        assert status(f"{running.admin_url}/plan") == 401
        assert status(f"{running.admin_url}/plan", AUTHORIZED) == 200
        assert status(f"{running.url}/plan", AUTHORIZED) == 404


def test_it_ends_at_once_when_stdin_ends() -> None:
    with router() as running:
        assert running.child.stdin
        running.child.stdin.close()
        assert running.child.wait(timeout=30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with router() as running:
        running.child.send_signal(number)
        assert running.child.wait(timeout=30) == 0
        assert running.child.stderr
        assert running.child.stderr.read() == ""


@pytest.mark.parametrize("which", ["port", "grpc_port", "admin_port"])
def test_a_taken_port_is_one_line_and_exit_1(which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = ended(start_message(**{which: port}))
    assert line.startswith(f"router: cannot listen on 127.0.0.1:{port}: Address already in use")
    assert line.count("\n") == 1


def test_a_broken_start_message_is_one_line_and_exit_1() -> None:
    rule = "stages must be one name or more, each once, not ()"
    assert ended(start_message(stages=[])) == f"router: start message: {rule}\n"
    assert ended({}) == "router: start message: pipeline must be a string, not None\n"


def ended(message: dict[str, Any]) -> str:
    """stderr of a router that refused to start."""
    with process("ipa.dataplane", json.loads(json.dumps(message))) as child:
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out) == (1, "")
        return err


def test_sigterm_lets_grpc_calls_in_the_pipeline_finish() -> None:
    async def story(running: Running) -> None:
        client = Replica(running.grpc_address, "pipe")
        sent = [asyncio.create_task(client.infer({"x": np.full((1, 2), i, np.float32)})) for i in range(10)]
        async with aiohttp.ClientSession(running.url) as session:
            while 'ipa_requests_total{pipeline="pipe"} 10.0' not in await (await session.get("/metrics")).text():
                await asyncio.sleep(0.01)
        running.child.send_signal(signal.SIGTERM)
        assert [answer["z"][0, 0] for answer in await asyncio.gather(*sent)] == [4.0 * i for i in range(10)]
        await client.close()

    with model_servers() as servers, router() as running:
        asyncio.run(put_plan(running, servers.start_small("one", "two", delay_s=0.1), batch=1))
        asyncio.run(story(running))
        assert running.child.wait(timeout=30) == 0
        assert running.child.stderr
        assert running.child.stderr.read() == ""
