"""`ipa simulate` in the process of the test: quicker than a new one, and numba compiles once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ipa.cli.app import main
from tests.config.test_config import write

PIPELINE = {"limits": {"cores": 6, "utilisation": 0.8}, "objective": {"accuracy": 10}, "control": {"interval": "5s"}}
TRACE = "poisson:10x20s"


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.out)["policies"]
        return rows


Simulate = Callable[..., Done]


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Simulate:
    """`ipa simulate toy.yaml …` in this process and in an empty folder."""
    write(tmp_path, PIPELINE)
    monkeypatch.chdir(tmp_path)

    def called(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["ipa", "simulate", "toy.yaml", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(int(ended.value.code or 0), out, err)

    return called
