"""`ipa report` as a command: where the page goes, what it says, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ipa.adapters.state import state_folder
from ipa.cli.app import main
from tests.report.html.recordings import ROOT, journal_lines, save_load, save_simulation, write_lines


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def report(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["ipa", "report", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(str(end.value.code))


def test_the_page_of_a_simulation_lies_in_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_simulation(folder / "sim", ("auto", "fa2-low"), 60)
    assert report("sim", "--output", "json", monkeypatch=monkeypatch) == 0
    said = json.loads(capsys.readouterr().out)
    page = folder / "sim" / "report.html"
    assert page.read_text().startswith("<!doctype html>")
    assert (said["file"], said["bytes"]) == ("sim/report.html", len(page.read_bytes()))
    assert (said["kind"], said["pipeline"], said["duration_s"]) == ("simulation", "video", 60)
    assert [(p["policy"], p["seed"], p["held"]) for p in said["policies"]] == [
        ("auto", 0, False),
        ("fa2-low", 0, False),
    ]
    assert said["verdict"].startswith("auto missed the objective: ")


@pytest.mark.slow
def test_what_simulate_saves_is_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", str(ROOT / "configs" / "video.yaml"), "--trace", "poisson:10x30s+poisson:30x30s"]
    monkeypatch.setattr(sys, "argv", ["ipa", *words, "--policy", "auto,fa2-high", "--seeds", "2", "--save", "sim"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    capsys.readouterr()
    assert report("sim", "--output", "json", monkeypatch=monkeypatch) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["pipeline"], said["duration_s"], said["notes"]) == ("simulation", "video", 60, [])
    assert [(p["policy"], p["seed"]) for p in said["policies"]] == [
        (n, i) for n in ("auto", "fa2-high") for i in (0, 1)
    ]
    assert all(p["turns"] >= 5 and p["held"] is not None for p in said["policies"])


def test_an_existing_page_is_kept_unless_forced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document, _ = save_load(folder)
    page = document.with_suffix(".html")
    page.write_text("mine")
    assert report("load.json", monkeypatch=monkeypatch) == 2
    assert "load.html: exists; --force overwrites it" in capsys.readouterr().err
    assert page.read_text() == "mine"
    assert report("load.json", "--force", monkeypatch=monkeypatch) == 0
    assert page.read_text() != "mine"
    assert report("load.json", "--out", "other.html", monkeypatch=monkeypatch) == 0
    assert (folder / "other.html").read_text() == page.read_text()
    assert sorted(each.name for each in folder.iterdir() if each.name.startswith(".")) == []


def test_a_pipeline_is_reported_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state_folder("video").mkdir(parents=True)
    write_lines(state_folder("video") / "decisions.jsonl", journal_lines(60))
    config = str(ROOT / "configs" / "video.yaml")
    assert report("video", "--config", config, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert "plan changes in 7 turns over 1 min 10 s" in out
    assert "A journal holds what was decided" in out
    assert "video.html (" in out
    assert "SLO 6.89 s" in (folder / "video.html").read_text()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["none"], "none: no such file, and no journal of a pipeline of that name"),
        (["x.jsonl"], "x.jsonl: holds no whole decision yet"),
        (["x.jsonl", "--out", "x.pdf"], "--out x.pdf: the ending '.pdf' is not .html"),
        (["x.jsonl", "--out", "none/x.html"], "must be a file in a folder that exists"),
        (["x.jsonl", "--config", "none.yaml"], "none.yaml"),
        ([], "Missing argument 'RUN'"),
    ],
)
def test_wrong_usage_exits_2_and_writes_nothing(
    folder: Path,
    words: list[str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "x.jsonl").write_text("")
    assert report(*words, monkeypatch=monkeypatch) == 2
    out, error = capsys.readouterr()
    assert complaint in error
    assert out == ""
    assert [each.name for each in folder.iterdir()] == ["x.jsonl"]


def test_a_report_loads_no_library_of_pictures_servers_or_solvers(folder: Path) -> None:
    document, _ = save_load(folder)
    script = f"""
import sys
sys.argv = ["ipa", "report", {str(document)!r}]
from ipa.cli.app import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print([name for name in ("matplotlib", "pandas", "pyomo", "aiohttp", "grpc", "kubernetes") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
