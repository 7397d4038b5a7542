"""`ipa trace` as a command: documents, files, exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ipa.cli.app import main

KEYS = [
    "trace",
    "seconds",
    "requests",
    "mean_rps",
    "max_rps",
    "zero_seconds",
    "gaps",
    "longest_gap_s",
    "peak_to_mean",
    "dispersion",
    "interarrival_cv",
]


Trace = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.txt").write_text("8 0 24\n32")
    return tmp_path


@pytest.fixture
def trace(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Trace:
    """`ipa trace ARGUMENTS` in the folder → exit code, stdout, stderr."""
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ipa", "trace", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def test_info_in_every_form(folder: Path, trace: Trace) -> None:
    code, out, err = trace("info", "t.txt@0:3/4", "--output", "json")
    document = json.loads(out)
    assert (code, list(document)) == (0, KEYS), err
    assert (document["requests"], document["max_rps"], document["gaps"]) == (8, 6, 1)
    _, out, _ = trace("info", "poisson:20x5s", "--seed", "3", "--output", "yaml")
    assert list(yaml.safe_load(out)) == KEYS
    code, out, _ = trace("info", "constant:0x5s")
    assert code == 0
    assert "peak to mean" in out


def test_cut_writes_the_slice_and_only_overwrites_when_told(folder: Path, trace: Trace) -> None:
    code, out, err = trace("cut", "t.txt@1:4/8", "cut.csv", "--output", "json")
    assert (code, json.loads(out)) == (0, {"file": "cut.csv", "seconds": 3, "requests": 7}), err
    assert (folder / "cut.csv").read_text() == "second,count\n0,0\n1,3\n2,4\n"
    code, _, err = trace("cut", "t.txt", "cut.csv")
    assert (code, err) == (2, "ipa: cut.csv: exists; --force overwrites it\n")
    code, _, err = trace("cut", "cut.csv@1:3", "cut.csv", "--force")
    assert code == 0, err
    assert (folder / "cut.csv").read_text() == "second,count\n0,3\n1,4\n"
    assert sorted(path.name for path in folder.iterdir()) == ["cut.csv", "t.txt"]


def test_make_writes_what_the_seed_makes(folder: Path, trace: Trace) -> None:
    for seed, name in (("1", "a.txt"), ("1", "b.txt"), ("2", "c.txt")):
        code, _, err = trace("make", "poisson:20x5s+t.txt*2", name, "--seed", seed)
        assert code == 0, err
    a, b, c = ((folder / name).read_text() for name in ("a.txt", "b.txt", "c.txt"))
    assert a == b != c
    counts = [int(line) for line in a.splitlines()]
    assert len(counts) == 7
    assert sum(counts[5:]) == 64
    assert trace("info", "a.txt", "--output", "json")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "uniform:1x1s"], "unknown kind 'uniform'"),
        (["info", "none.txt"], "No such file"),
        (["info", "poisson:1e9x1000s"], "at most 100,000,000"),
        (["info", "t.txt@0:9"], "END 9 is beyond the 4 seconds"),
        (["cut", "poisson:20x5s", "x.txt"], "one FILE[@START:END][/DAMPING] can be cut"),
        (["cut", "t.txt+t.txt", "x.txt"], "one FILE[@START:END][/DAMPING] can be cut"),
        (["cut", "t.txt*2", "x.txt"], "one FILE[@START:END][/DAMPING] can be cut"),
        (["cut", "t.txt", "t.txt"], "t.txt: exists"),
        (["cut", "t.txt", "none/x.txt"], "the folder none does not exist"),
        (["cut", "t.txt", "."], "is a folder"),
        (["cut", "t.txt", "x.tbz2"], "are written as text or .csv"),
        (["make", "poisson:20x0s", "x.txt"], "must be longer than 0"),
        (["make", "t.txt"], "OUT"),
    ],
)
def test_wrong_usage_exits_2_names_it_and_writes_nothing(
    folder: Path, trace: Trace, arguments: list[str], message: str
) -> None:
    code, out, err = trace(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert [path.name for path in folder.iterdir()] == ["t.txt"]


@pytest.mark.skipif("IPA_TWITTER_TRACE" not in os.environ, reason="IPA_TWITTER_TRACE names no trace")
def test_the_whole_twitter_trace(folder: Path, trace: Trace) -> None:
    code, out, err = trace("info", os.environ["IPA_TWITTER_TRACE"], "--output", "json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["seconds"], document["requests"], document["zero_seconds"]) == (1_899_061, 120_774_326, 37_899)
