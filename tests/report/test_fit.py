from __future__ import annotations

from pathlib import Path

import pytest

from ipa.domain import Measurement
from ipa.latency.comparison import compare
from ipa.report.fit import document, formula_ms, plot, print_table

ROWS = [
    *(Measurement("detect", "small", "cpu", 1, b, 0.01 + 0.002 * b, None, None, 0.02 * b) for b in (1, 2, 4)),
    *(Measurement("detect", "large", "cpu", 2, b, 0.1 / b, None, None, 0.3 * b) for b in (1, 2)),
]
FITS = compare(ROWS, "99")


def test_the_document_has_one_row_a_model_with_coefficients_in_seconds() -> None:
    rows = document("video", FITS)["fits"]
    assert len(rows) == 2 * 2 * 2
    mean = next(r for r in rows if (r["variant"], r["latency"], r["model"]) == ("small", "mean", "linear"))
    assert mean["coefficients"] == pytest.approx({"gamma_s": 0.01, "beta_s": 0.002})
    assert mean["worst_relative_error"] < 1e-9
    assert mean["better"]
    assert mean["reason"] == ""


def test_the_document_says_why_a_model_was_refused() -> None:
    rows = document("video", FITS)["fits"]
    refused = next(r for r in rows if (r["variant"], r["latency"], r["model"]) == ("large", "mean", "linear"))
    assert refused["coefficients"] is None
    assert refused["r2"] is None
    assert "falls from" in refused["reason"]


def test_the_table_shows_formulas_and_refusals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_table(FITS)
    out = capsys.readouterr().out
    assert "2·b + 10" in out
    assert "refused: the fitted latency falls from 100 ms" not in out, "reasons are in seconds, like the profile"
    assert "refused: 2 distinct batches measured" in out


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [
        ((0.01, 0.002), "2·b + 10"),
        ((-0.001, 0.002, 0.0000031), "0.0031·b² + 2·b - 1"),
        ((0.1, 0.02, -0.0005), "-0.5·b² + 20·b + 100"),
    ],
)
def test_formulas_read_in_milliseconds(coefficients: tuple[float, ...], text: str) -> None:
    assert formula_ms(coefficients) == text


@pytest.mark.parametrize(("name", "starts"), [("curves.png", b"\x89PNG"), ("curves.SVG", b"<?xml")])
def test_a_plot_is_an_image(tmp_path: Path, name: str, starts: bytes) -> None:
    plot("video", FITS, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(starts)


def test_a_plot_names_every_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # text as text
    plot("video", FITS, tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert "detect/small 1 × cpu" in drawn
    assert "detect/large 2 × cpu" in drawn
