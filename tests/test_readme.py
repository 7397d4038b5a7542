"""Every command of the README is run as it stands there, the long ones with their short option."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

# What makes a command short or its port ephemeral; everything else of it stays.
SHORTER = {
    "make demo": f"{sys.executable} scripts/demo.py --fast",
    "make paper": f"{sys.executable} scripts/paper.py --pipeline video --workload bursty --seconds 60 --workers 1",
    "ipa profile configs/digits.yaml": (
        "ipa profile configs/digits.yaml --stage classify --variant mlp-xs --batches 1 --max-seconds 1 --fresh"
    ),
    "--port 8080": "--port 0",
    "poisson:20x30s": "poisson:20x3s",
    "--duration 60s": "--duration 6s",
}
# These contain this test or set up what it runs in; CI runs them itself, here they must exist.
MAKE_ONLY_NAMED = ("make setup", "make test", "make check", "make bench", "make help")

# After `ipa serve … &`: until every replica is warm, or it has died.
READY = """
import json, os, urllib.request
state = json.load(open(os.environ["XDG_RUNTIME_DIR"] + "/ipa/digits/state.json"))
urllib.request.urlopen(state["url"] + "/v2/health/ready")
"""
WAIT = f"""
until {sys.executable} -c '{READY}' 2>/dev/null; do
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
            lines.append(WAIT)
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks(), ids=lambda block: commands(block)[0][:50])
def test_every_command_works(block: str, tmp_path: Path) -> None:
    for folder in ("configs", "profiles", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script(block)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_of_the_tool_has_its_section() -> None:
    for command in ("profile", "fit", "solve", "serve", "load", "trace", "adapt"):
        assert f"### `ipa {command}`" in README
