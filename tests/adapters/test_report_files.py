"""RUN: which recording it names, and what is wrong with one that cannot be read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipa.adapters.files import load_config_unmeasured
from ipa.adapters.report_files import check_page, find, read_run
from ipa.adapters.state import state_folder
from ipa.errors import IpaError, UsageError
from ipa.report.html.story import Run
from tests.report.html.recordings import ROOT, journal_lines, save_load, save_simulation, write_lines


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    save_simulation(folder / "sim", ("auto", "fa2-low"), 60)
    (folder / "load").mkdir()
    save_load(folder / "load")
    write_lines(folder / "decisions.jsonl", journal_lines(120))
    return folder


@pytest.fixture
def runs(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Recordings to break, in the working directory."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    yield tmp_path


def read(run: str) -> Run:
    return read_run(find(run), None)


@pytest.mark.parametrize(
    ("run", "kind", "page"),
    [
        ("sim", "simulation", "sim/report.html"),
        ("sim/simulation.json", "simulation", "sim/simulation.html"),
        ("load", "load test", "load/report.html"),
        ("load/load.json", "load test", "load/load.html"),
        ("load/load.csv", "load test", "load/load.html"),
        ("decisions.jsonl", "adapt journal", "decisions.html"),
    ],
)
def test_a_recording_is_told_by_what_it_is(runs: Path, run: str, kind: str, page: str) -> None:
    found = find(run)
    assert read_run(found, None).kind == kind
    assert found.page == Path(page)


def test_a_pipeline_that_was_adapted_is_found_by_its_name(runs: Path) -> None:
    folder = state_folder("video")
    folder.mkdir(parents=True)
    shutil.copy(runs / "decisions.jsonl", folder)
    assert (read("video").title, find("video").page) == ("video", Path("video.html"))
    with pytest.raises(UsageError, match="no journal of a pipeline of that name"):
        find("audio")


def test_the_pair_of_a_load_is_one_story_wherever_it_is_entered(runs: Path) -> None:
    (policy,) = read("load/load.csv").policies
    assert policy.summary is not None
    assert policy.summary.p99_s is not None
    assert policy.summary.sent == sum(second.sent for second in policy.seconds)
    assert read("load/load.json").policies == read("load").policies == (policy,)


def test_the_halves_of_a_pair_may_have_names_of_their_own(runs: Path) -> None:
    expected = read("load").policies
    (runs / "load" / "load.csv").rename(runs / "load" / "seconds.csv")
    (runs / "load" / "trace.csv").write_text("second,count\n0,1\n")
    (runs / "load" / "package.json").write_text("{}")
    assert read("load/load.json").policies == read("load/seconds.csv").policies == expected


def test_half_of_the_pair_is_enough_and_said(runs: Path) -> None:
    both = read("load").policies[0].summary
    (runs / "load" / "load.json").rename(runs / "load.gone")
    alone = read("load/load.csv")
    summary = alone.policies[0].summary
    assert both is not None
    assert summary is not None
    assert (summary.sent, summary.slo_share, summary.p99_s) == (both.sent, both.slo_share, None)
    assert "Only the seconds are known" in alone.notes[0]
    (runs / "load.gone").rename(runs / "load" / "load.json")
    (runs / "load" / "load.csv").unlink()
    assert "No per-second file" in read("load").notes[0]


def test_the_config_names_the_objective_of_a_load(runs: Path) -> None:
    assert read("load").objective.latency_s is None
    run = read_run(find("load"), load_config_unmeasured(ROOT / "configs" / "video.yaml"))
    assert (run.title, run.objective.latency_s, run.objective.percentile) == ("video", 6.89, 99.0)


def test_a_simulation_says_its_own_objective(runs: Path) -> None:
    run = read("sim")
    assert (run.title, run.objective.latency_s, run.duration_s) == ("video", 6.89, 60)
    assert [policy.policy for policy in run.policies] == ["auto", "fa2-low"]
    assert all(policy.seconds and policy.decisions for policy in run.policies)
    assert run.policies[0].seconds[30].accuracy is not None
    assert run.policies[0].decisions[2].at_s == pytest.approx(20.0)


def test_a_policy_at_several_intervals_is_several(runs: Path) -> None:
    """With more than one interval `ipa simulate --save` has them in the names of its files."""
    folder = runs / "sim"
    document = json.loads((folder / "simulation.json").read_text())
    auto = document["policies"][0]
    document["policies"] = [{**auto, "interval_s": 10.0}, {**auto, "interval_s": 2.5, "objective": -3.0, "regret": 0.5}]
    (folder / "simulation.json").write_text(json.dumps(document))
    for pace in ("10s", "2.5s"):
        for ending in ("seconds.csv", "decisions.jsonl"):
            shutil.copy(folder / f"auto-0.{ending}", folder / f"auto-{pace}-0.{ending}")
    run = read("sim")
    assert [policy.policy for policy in run.policies] == ["auto, every 10s", "auto, every 2.5s"]
    assert run.notes == ()
    assert all(policy.seconds and policy.decisions for policy in run.policies)


def test_a_policy_of_a_simulation_that_lacks_its_files_is_shown_by_its_totals(runs: Path) -> None:
    for file in (runs / "sim").glob("fa2-low-0.*"):
        file.unlink()
    run = read("sim")
    assert (run.policies[1].seconds, run.policies[1].decisions) == ((), ())
    assert run.notes == ("fa2-low-0.seconds.csv is missing: nothing over time of this policy.",)


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("x.txt", "1 2 3", "x.txt: unknown format: RUN is a folder of"),
        ("x.json", "{}", "x.json: unknown format"),
        ("x.json", "[1]", "x.json: [1] is not an object"),
        ("x.json", "{", "x.json: is not JSON"),
        ("x.json", "[" * 100_000, "x.json: is not JSON"),
        ("x.json", '{"policies": []}', "simulation.json: cannot be read"),
        ("x.json", '{"sent": 1, "answered": "2"}', "x.json: answered: '2' is not a whole number"),
        ("x.json", '{"sent": -1, "answered": 2}', "x.json: sent: -1 is not a whole number"),
        ("x.jsonl", "", "x.jsonl: holds no whole decision yet"),
        ("x.jsonl", '{"at": "2026-01-', "x.jsonl: holds no whole decision yet"),
        ("x.jsonl", '{"at": 1}\n', "x.jsonl:1: at: 1 is not a text"),
        ("x.jsonl", '{"at": "noon", "reason": "r"}\n', "x.jsonl:1: at: 'noon' is not a time in ISO 8601"),
        ("x.jsonl", '{"at": "2026-01-01"}\n', "x.jsonl:1: at: '2026-01-01' has no time zone"),
        ("x.jsonl", '{"at_s": 1e300}\n', "x.jsonl:1: at_s: 1e+300 must be between 0 and 1e+11"),
        ("x.jsonl", '{"at_s": 1}\n', "x.jsonl:1: reason: None is not a text"),
        ("x.jsonl", '{"at_s": 1, "reason": "r", "live": [{}]}\n', "x.jsonl:1: live[0]: stage: None is not a text"),
        ("x.jsonl", "\xff\n", "x.jsonl:1: is not JSON"),
        ("x.csv", "", "x.csv: is empty"),
        ("x.csv", f"second,sent\n0,{'1' * 200_000}\n", "x.csv:2: is not a row of a .csv: field larger"),
        ("x.csv", "second,sent\n0,1\n", "x.csv: has no column answered, dropped, failed, late"),
        ("sim/simulation.json", '{"policies": []}', "simulation.json: policies: holds no policy"),
        ("sim/simulation.json", '{"policies": [{"policy": "../x", "seed": 0}]}', "'../x' is no name of a policy"),
        ("load/more.csv", "", "load: must hold one recording, but holds load.json, load.csv, more.csv"),
        ("empty/readme", "", "empty: must hold one recording, but holds none of them"),
    ],
)
def test_what_cannot_be_reported_is_said(runs: Path, file: str, content: str, complaint: str) -> None:
    (runs / file).parent.mkdir(exist_ok=True)
    (runs / file).write_text(content)
    with pytest.raises(IpaError) as error:
        read(file.split("/")[0])
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("run", "complaint"),
    [("no/x.jsonl", "no/x.jsonl: no such file or folder"), ("", "RUN is empty"), ("n" * 300, "File name too long")],
)
def test_a_run_must_be_there(runs: Path, run: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        find(run)


SECONDS = "second,sent,answered,dropped,failed,late,p99_s\n"


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("0,1,1,0,0,0,fast\n", "x.csv:2: p99_s: 'fast' is not a number"),
        ("0,1,1,0,0,0,-1\n", "x.csv:2: p99_s: -1 must be between 0"),
        ("0,1,1,0,0\n", "x.csv:2: late: None is not a whole number"),
        ("0,1.5,1,0,0,0,\n", "x.csv:2: sent: 1.5 is not a whole number"),
        ("0,3,1,0,0,0,\n", "x.csv:2: sent: 3 must be answered + dropped + failed"),
        ("0,1,1,0,0,0,\n0,1,1,0,0,0,\n", "x.csv:3: second: 0 must be after 0"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, rows: str, complaint: str) -> None:
    (tmp_path / "x.csv").write_text(SECONDS + rows)
    with pytest.raises(UsageError) as error:
        read(str(tmp_path / "x.csv"))
    assert complaint in str(error.value)


def test_a_quantile_that_is_not_a_number_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(SECONDS + "0,1,1,0,0,0,nan\n1,1,1,0,0,0,\n2,1,1,0,0,0,inf\n")
    assert [second.p99_s for second in read(str(tmp_path / "x.csv")).policies[0].seconds] == [None, None, None]


def test_the_reasons_of_what_was_lost_are_kept(tmp_path: Path) -> None:
    counts = {"sent": 9, "answered": 2, "dropped": 4, "failed": 3, "drops": {"deadline": 4}, "failures": {"connect": 3}}
    (tmp_path / "x.json").write_text(json.dumps(counts))
    summary = read(str(tmp_path / "x.json")).policies[0].summary
    assert summary is not None
    assert summary.reasons == (("deadline", 4), ("connect", 3))


def test_totals_and_seconds_of_different_loads_are_not_mixed(runs: Path) -> None:
    document = json.loads((runs / "load" / "load.json").read_text())
    (runs / "load" / "load.json").write_text(json.dumps({**document, "sent": 7}))
    with pytest.raises(UsageError, match="sent: 7 is not the sum of"):
        read("load")


@pytest.mark.parametrize(
    ("page", "complaint"), [("a.txt", "'.txt' is not .html"), ("no/a.html", "a folder that exists")]
)
def test_a_page_that_cannot_be_written_is_refused_first(tmp_path: Path, page: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_page(tmp_path / page)
