"""`scripts/paper.py` from the command line: a short load of one pipeline, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import paper
import pytest
from paper_evaluation.workloads import VARIABLE

SHORT = ["--pipeline", "video", "--workload", "bursty", "--seconds", "30", "--workers", "1"]
TABLES = ("summary", "comparison", "predictors-summary", "predictors", "preference", "claims")
FIGURES = ("comparison", "timeline-video", "predictors", "preference")


@pytest.fixture(autouse=True)
def without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_short_evaluation_writes_every_table_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "paper"
    assert paper.main([*SHORT, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "What the paper claims" in printed and "synthetic stand-ins" in printed and str(out) in printed
    text = (out / "evaluation.md").read_text()
    for name in FIGURES:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in text
    with (out / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["auto", "fa2-low", "fa2-high", "rim"]
    assert all(float(row["late or dropped"]) >= float(row["dropped"]) for row in rows)
    assert {f"{name}.csv" for name in TABLES} == {file.name for file in out.glob("*.csv")}
    # the first system's line, as people read it
    assert f"| video | bursty | auto | {rows[0]['requests']} |" in text


def test_the_same_seed_writes_the_same_numbers_and_another_one_others(tmp_path: Path) -> None:
    for folder, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert paper.main([*SHORT, "--seed", seed, "--format", "svg", "--out", str(tmp_path / folder)]) == 0
    first, again, other = ([(tmp_path / f / f"{n}.csv").read_bytes() for n in TABLES] for f in "abc")
    assert first == again
    assert first != other


def test_a_trace_that_is_not_there_is_named_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.tbz2"))
    assert paper.main([*SHORT, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err == f"paper: {VARIABLE}: {tmp_path}/absent.tbz2: No such file or directory\n"
    assert said.out == ""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert paper.main([*SHORT, "--out", str(tmp_path / "file" / "paper")]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["--start", "10"], "is not a duration"),
        (["--pipeline", "audio"], "invalid choice"),
        (["--seconds", "0"], "must be at least 1"),
        (["--workers", "-1"], "must be a whole number"),
        (["--seed", "x"], "must be a whole number"),
        (["--format", "gif"], "invalid choice"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: list[str], rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = paper.main([*SHORT, *words])
    except SystemExit as exit_:  # argparse's own
        code = int(str(exit_.code))
    assert code == 2
    assert rule in capsys.readouterr().err
