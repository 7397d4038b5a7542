from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ipa.domain import Measurement
from ipa.latency.sampling import Sampled
from ipa.report.profile import document, gave_up, print_table, progress

FILE = Path("profile/measurements.csv")
SETTLED = Sampled(
    Measurement("detect", "small", "cpu", 1, 4, 0.0125, 0.012, 0.013, 0.02, 320.0, 400, "measured@x"),
    0.021,
    True,
)
UNSETTLED = Sampled(Measurement("detect", "large", "cpu", 2, 8, 2.5, 2.0, 4.0, 4.0, 3.2, 24, "measured@x"), None, False)


def test_the_document_holds_rows_and_how_sure_they_are() -> None:
    points = document("video", FILE, [SETTLED, UNSETTLED], 3)
    assert points["skipped"] == 3
    assert points["points"][0]["latency_p99_s"] == 0.02
    assert [p["settled"] for p in points["points"]] == [True, False]
    assert [p["precision"] for p in points["points"]] == [0.021, None]


def test_the_table_says_who_gave_up(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    print_table(FILE, [SETTLED, UNSETTLED], 3)
    out = capsys.readouterr().out
    assert "2.1%" in out
    assert "gave up" in out
    assert "2 measured, 3 present before: profile/measurements.csv" in out


def test_without_a_terminal_every_point_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(2, 3) as screen:
        screen.starting("detect", "small", 1)
        screen.measured(SETTLED)
        screen.measured(UNSETTLED)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "3 point(s) are in the profile already; --fresh measures them again",
        "starting detect/small with 1 core",
        "[1/2] detect/small with 1 core, batch 4: p50 12 ms, 320 rps",
        "[2/2] detect/large with 2 cores, batch 8: p50 2000 ms, 3.2 rps",
        gave_up(UNSETTLED),
    ]


def test_a_point_that_gave_up_says_what_it_reached() -> None:
    assert "batch 8: time ran out after 3 repeat(s), p50 is not known to any precision" in gave_up(UNSETTLED)
    reached = Sampled(UNSETTLED.measurement, 0.083, False)
    assert "p50 is known to ±8.3%" in gave_up(reached)


def test_in_a_terminal_there_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(2, 0) as screen:
        screen.starting("detect", "large", 2)
        screen.measured(UNSETTLED)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1/2" in captured.err
    assert gave_up(UNSETTLED) in captured.err
