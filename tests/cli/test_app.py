"""The command line itself: instant help, exit codes, errors in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "pyomo", "highspy", "kubernetes", "pydantic", "yaml", "aiohttp", "grpc", "mlserver")


def ipa(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ipa", *words], capture_output=True, text=True, timeout=60)


def test_help_loads_nothing_heavy() -> None:
    script = f"""
import sys
from ipa.cli.app import app
try:
    app(["--help"])
except SystemExit as done:
    assert done.code == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_help_names_the_commands_that_are_built() -> None:
    shown = ipa("--help").stdout
    working = ("profile", "fit", "solve", "serve", "load", "adapt", "router", "simulate", "report")
    for command in (*working, "manifests", "replica", "status", "history", "rollback"):
        assert command in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--version"], 0, ""),
        (["bake"], 2, "No such command 'bake'"),
        (["solve"], 2, "Missing argument"),
        (["solve", "none.yaml", "--rate", "1", "--dry-run"], 2, "none.yaml: cannot be read: No such file"),
        (["solve", "none.yaml", "--output", "xml"], 2, "xml"),
        (["adapt", "none.yaml", "--interval", "10"], 2, "none.yaml"),
    ],
)
def test_exit_codes(words: list[str], code: int, said: str) -> None:
    done = ipa(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
