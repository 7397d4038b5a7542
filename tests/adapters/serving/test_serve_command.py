"""`ipa serve` as its users have it: one process, signals, exit codes, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from ipa.adapters import state
from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
from ipa.adapters.state import RunState
from ipa.dataplane.replica import Replica
from tests.adapters.serving import tiny
from tests.adapters.serving.processes import alive, children, wait_until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from ipa.cli.app import main; main()", "serve"]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], RunState]]:
    """A run of `tiny` that is ready; killed at the end if it still lives."""
    with start(*arguments) as process:
        try:
            wait_until(lambda: process.poll() is not None or _ready(), "ready")
            assert process.poll() is None, process.communicate()[1]
            found = state.attach("tiny")
            assert found is not None
            yield process, found
        finally:
            process.kill()


def _ready() -> bool:
    found = state.attach("tiny")
    if found is None:
        return False
    cluster = LocalCluster(found)
    try:
        return cluster.ready()
    finally:
        cluster.close()


def refused(*arguments: str) -> tuple[int, str]:
    """The exit code and stderr of a run that ends by itself."""
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, cwd="/")
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


def test_it_serves_for_a_rate_and_stops_on_sigterm(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    with serving(str(config), "--port", "0", "--rate", "5") as (process, found):
        assert process.pid == found.pid
        answer = httpx.post(f"{found.url}/v2/models/tiny/infer", json=tiny.body(3.0), trust_env=False)
        assert answer.status_code == 200
        assert found.grpc_address is not None
        assert asyncio.run(over_grpc(found.grpc_address, 3.0)) == tiny.answer(answer.json())
        folder = runtime / "ipa/tiny"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "state.json").stat().st_mode & 0o777 == 0o600
        pids = children(process.pid)
        assert len(pids) == 3
        process.terminate()
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 0, stderr
        assert "ready" in stderr and found.url in stderr and f"for gRPC on {found.grpc_address}" in stderr
        assert not any(alive(pid) for pid in pids)
        assert not (folder / "state.json").exists()


async def over_grpc(address: str, value: float) -> float:
    """The first number of the answer, by the client that the router itself uses for its replicas."""
    client = Replica(address, "tiny")
    try:
        answer = await client.infer({"x": np.full((1, tiny.WIDTH), value, np.float32)}, timeout_s=30)
        return float(next(iter(answer.values())).flat[0])
    finally:
        await client.close()


def test_interrupt_ends_with_130(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    with serving(str(config), "--port", "0") as (process, _):
        pids = children(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        assert not any(alive(pid) for pid in pids)


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    with serving(str(config), "--port", "0") as (process, _):
        pids = children(process.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # nobody reacts to SIGTERM: an orderly stop would take seconds
        process.send_signal(signal.SIGINT)
        wait_until(lambda: "stopping" in (process.stderr.readline() if process.stderr else ""), "stopping")
        process.send_signal(signal.SIGINT)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        wait_until(lambda: not any(alive(pid) for pid in pids), "all are gone")
        assert state.attach("tiny") is None


def test_interrupt_while_starting(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    with start(str(config), "--port", "0") as process:
        wait_until(lambda: state.attach("tiny") is not None, "the router is up")
        wait_until(lambda: len(children(process.pid)) == 3, "the servers were spawned")
        pids = children(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        assert not any(alive(pid) for pid in pids)


def test_no_orphan_survives_a_killed_supervisor(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    with serving(str(config), "--port", "0") as (process, _):
        pids = children(process.pid)
        process.kill()
        process.communicate(timeout=30)
        wait_until(lambda: not any(alive(pid) for pid in pids), "all are gone")
    assert (runtime / "ipa/tiny/state.json").exists()
    assert state.attach("tiny") is None  # stale
    with serving(str(config), "--port", "0"):
        pass  # and no obstacle


def test_a_plan_file_the_ports_and_the_cluster(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    rows = [
        {
            "stage": a.stage,
            "variant": a.variant,
            "hardware": a.hardware,
            "cores": 1,
            "batch": 1,
            "replicas": 1,
        }
        for a in tiny.plan("by3", "plus1").allocations
    ]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"plan": rows}))
    with serving(str(config), "--port", "0", "--plan", str(file)) as (process, found):
        cluster, monitor = LocalCluster(found), RouterMonitor(found)
        assert cluster.live() == tiny.plan("by3", "plus1")
        outcome = cluster.apply(tiny.plan("by2", "plus1"))
        assert outcome.applied and outcome.seconds > 0
        assert cluster.live() == tiny.plan("by2", "plus1")
        answer = httpx.post(f"{found.url}/v2/models/tiny/infer", json=tiny.body(3.0), trust_env=False)
        assert tiny.answer(answer.json()) == 7
        wait_until(lambda: sum(monitor.arrivals(60)) == 1, "the request was counted")
        assert refused(str(config), "--port", "0") == (1, _contains(f"already runs (pid {process.pid})"))
        cluster.stop()
        process.communicate(timeout=30)
        assert process.returncode == 0
        cluster.close()
        monitor.close()


class _contains(str):  # noqa: N801  reads as a matcher
    def __eq__(self, other: object) -> bool:
        return str(self) in str(other)

    __hash__ = str.__hash__


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_in_use_is_named_before_anything_starts(option: str, tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    ports = {"--port": "0", "--grpc-port": "0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [word for pair in (ports | {option: str(port)}).items() for word in pair]
        assert refused(str(config), *words) == (1, _contains(f"port {port}"))
    assert not list(runtime.glob("ipa/tiny/*.log"))


def test_a_broken_model_ends_it_with_a_clear_message(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    for broken in (tmp_path / "models").rglob("*.onnx"):
        broken.write_text("no model")
    code, stderr = refused(str(config), "--port", "0")
    assert code == 1
    assert "scale/by" in stderr and "Protobuf parsing failed" in stderr
    assert state.attach("tiny") is None


def test_what_cannot_be_served_is_refused_by_name(tmp_path: Path, runtime: Path) -> None:
    config = tiny.write_config(tmp_path)
    missing = tmp_path / "models/shift/plus1.onnx"
    missing.unlink()
    assert refused(str(config)) == (2, _contains(str(missing)))
    assert refused(str(config), "--port", "81", "--grpc-port", "81") == (
        2,
        _contains("--port and --grpc-port are both 81"),
    )
    assert refused(str(config), "--rate", "1", "--plan", "x.json") == (2, _contains("--rate and --plan"))
