"""Picture files: what cannot be drawn is said before the work, what can be is written in its format."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ipa.errors import UsageError
from ipa.report.pictures import check_plot_file, empty_figure, save


@pytest.mark.parametrize(("name", "starts"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_ending_is_the_format(tmp_path: Path, name: str, starts: bytes) -> None:
    check_plot_file(tmp_path / name)
    save(empty_figure(1.0, 1.0), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(starts)


def test_a_folder_that_cannot_be_written_to_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        save(empty_figure(1.0, 1.0), tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("curves.txt", "'.txt' is not one of .png, .svg, .pdf"),
        ("curves", "'' is not one of"),
        ("no/curves.png", "no does not exist"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_the_work(tmp_path: Path, name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_plot_file(tmp_path / name)


def test_a_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"ipa\[plot\]"):
        check_plot_file(tmp_path / "curves.png")
