"""Every command of the README is run as it stands there, the long ones with their short option."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dataplane.processes import free_ports

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

# What makes a command short or its port ephemeral; everything else of it stays.
SHORTER = {
    "make demo": f"{sys.executable} scripts/demo.py --fast",
    "make paper": f"{sys.executable} scripts/paper.py --pipeline video --workload bursty --seconds 60 --workers 1",
    "ipa profile configs/digits.yaml": (
        "ipa profile configs/digits.yaml --stage classify --variant mlp-xs --batches 1 --max-seconds 1 --fresh"
    ),
    "--port 8080 --rate 20": "--port 8080 --grpc-port 0 --rate 20",
    "poisson:20x30s": "poisson:20x3s",
    "--duration 60s": "--duration 6s",
}
# These contain this test or set up what it runs in; CI runs them itself, here they must exist.
MAKE_ONLY_NAMED = ("make setup", "make test", "make check", "make bench", "make help")

PORTS = ("8080", "8081", "9080", "9081")

# After `… &`: what to ask until it answers, or its process has died.
READY = {
    "ipa serve": "8080/v2/health/ready",
    "ipa router": "8080/v2/health/ready",
    "mlserver start": "9080/v2/models/lstm-m/ready",
}
WAIT = """
until curl -fsS -o ready.json http://127.0.0.1:{path} 2>curl.log; do
  kill -0 $!
  sleep 0.2
done
"""


def blocks() -> list[str]:
    """The shell sessions of the README, in order."""
    return [block for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) if "$ " in block]


def commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def script(block: str) -> str:
    lines = ["set -e"]
    for command in commands(block):
        if command.startswith(MAKE_ONLY_NAMED):
            lines.append(command.replace("make", f"make -n -C {ROOT}", 1) + " >/dev/null")
            continue
        for long, short in SHORTER.items():
            command = command.replace(long, short)
        lines.append(command)
        if command.endswith("&"):
            (path,) = (path for started, path in READY.items() if started in command)
            lines.append(WAIT.format(path=path))
    return on_free_ports("\n".join(lines))


def on_free_ports(commands: str) -> str:
    for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        commands = re.sub(rf"\b{port}\b", str(free), commands)
    return commands


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks(), ids=lambda block: commands(block)[0][:50])
def test_every_command_works(block: str, tmp_path: Path) -> None:
    for folder in ("configs", "profiles", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", script(block)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(runtime)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            out, err = shell.communicate(timeout=200)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # what a session that failed half-way has left running
    assert shell.returncode == 0, out + err
    assert "Traceback" not in err


def test_every_command_of_the_tool_has_its_section() -> None:
    working = ("profile", "fit", "solve", "serve", "router", "load", "trace", "adapt", "simulate", "report")
    operating = ("manifests", "replica", "status", "history", "rollback")
    for command in (*working, *operating):
        assert f"### `ipa {command}`" in README
