"""`ipa adapt` as its users have it: real servers, real load, a variant that changes while requests are answered."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipa.adapters import state
from ipa.adapters.local_cluster import LocalCluster
from tests.adapters.serving import tiny
from tests.adapters.serving.processes import alive, children, wait_until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "ipa"]

# by3 is accurate and carries 10/s, by2 is not and carries 1000/s; two cores are one replica a stage.
YAML = """\
name: tiny
slo: {latency: 2s}
objective: {accuracy: 10}
limits: {cores: 2}
profiles: .
stages: [{name: scale}, {name: shift, variants: [plus1]}]
serving: {models: models}
forecast: {predictor: last, window: 5s}
control: {interval: 1s, hold: 2s}
load: {payload: payload.npz}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    path = tiny.write_config(tmp_path)
    path.write_text(YAML)
    for name, old, new in (
        ("variants.csv", "scale,by2,0.9", "scale,by2,0.5"),
        ("measurements.csv", "scale,by3,cpu,1,1,0.001,0.001,0.001,0.001,1000", "scale,by3,cpu,1,1,0.1,0.1,0.1,0.1,10"),
        ("measurements.csv", "scale,by3,cpu,1,4,0.004,0.004,0.004,0.004,1000", "scale,by3,cpu,1,4,0.4,0.4,0.4,0.4,10"),
    ):
        file = tmp_path / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    np.savez(tmp_path / "payload.npz", inputs=np.ones((10, tiny.WIDTH), np.float32), labels=np.full(10, 3.0))
    return path


@contextmanager
def adapting(config: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`ipa adapt` once its first decision is recorded."""
    command = [*COMMAND, "adapt", str(config), "--port", "0", "--rate", "5", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or len(journal()) > 0, "a first decision")
            yield process
        finally:
            process.kill()


def journal() -> list[dict[str, Any]]:
    path = state.state_folder("tiny") / "decisions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def applied() -> list[str]:
    """The scale variant of every plan that was applied."""
    return [turn["apply"][0]["variant"] for turn in journal() if turn["outcome"] and turn["outcome"]["applied"]]


def load(config: Path, trace: str) -> dict[str, Any]:
    command = [*COMMAND, "load", str(config), "--trace", trace, "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_variant_follows_the_load_and_no_request_is_lost(config: Path) -> None:
    with adapting(config) as process:
        summary = load(config, "constant:40x8s")
        wait_until(lambda: applied()[-2:] == ["by2", "by3"], "to the light variant and back")
        family = children(process.pid)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "apply  the live plan cannot serve " in out
    assert "apply  better by" in out
    assert summary["sent"] == summary["answered"] == 320
    assert family
    wait_until(lambda: not any(alive(pid) for pid in family), "no process is left")
    assert state.attach("tiny") is None


def test_each_decision_says_what_was_seen_wanted_and_done(config: Path) -> None:
    command = [*COMMAND, "adapt", str(config), "--port", "0", "--rate", "5", "--once", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    turn = json.loads(done.stdout)
    assert turn == journal()[0]
    assert turn["pipeline"] == "tiny"
    assert [row["stage"] for row in turn["live"]] == ["scale", "shift"]
    assert turn["reason"]


def test_a_dry_run_decides_but_touches_nothing(config: Path) -> None:
    words = ("--dry-run", "--duration", "3s")
    nothing = subprocess.run([*COMMAND, "adapt", str(config), *words], capture_output=True, text=True, timeout=60)
    assert nothing.returncode == 2
    assert "nothing runs for pipeline 'tiny'" in nothing.stderr
    with adapting(config, "--interval", "1h"):
        wait_until(lambda: state.attach("tiny") is not None, "a run to look at")
        before = len(journal())
        shadow = subprocess.run([*COMMAND, "adapt", str(config), *words], capture_output=True, text=True, timeout=60)
        assert shadow.returncode == 0, shadow.stderr
        turns = journal()[before:]
        assert turns
        assert not any(turn["outcome"] and turn["outcome"]["applied"] for turn in turns)


def test_kill_minus_nine_leaves_no_process(config: Path) -> None:
    with adapting(config) as process:
        family = children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert len(family) >= 4  # serve, router, two model servers
    wait_until(lambda: not any(alive(pid) for pid in family), "no process is left", 20.0)


def test_keep_leaves_the_pipeline_running_for_others(config: Path) -> None:
    with adapting(config, "--keep") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    left = state.attach("tiny")
    assert left is not None
    cluster = LocalCluster(left)
    try:
        assert cluster.ready()
        solve = [*COMMAND, "solve", str(config), "--rate", "100", "--output", "json"]
        done = subprocess.run(solve, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        live = cluster.live()
        assert live is not None
        assert live.stage("scale").variant == "by2"
        cluster.stop()
    finally:
        cluster.close()
    wait_until(lambda: state.attach("tiny") is None, "the run to stop")


def test_a_pipeline_that_cannot_start_is_one_clear_message(config: Path) -> None:
    (config.parent / "models" / "scale" / "by3.onnx").write_bytes(b"no model")
    command = [*COMMAND, "adapt", str(config), "--port", "0", "--rate", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "the pipeline could not be started" in done.stderr
    assert "scale/by3" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_grpc_port_is_passed_on_to_what_it_starts(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "adapt", str(config), "--port", "0", "--grpc-port", port, "--rate", "5"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
