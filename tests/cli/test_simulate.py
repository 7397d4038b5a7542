"""`ipa simulate` as a user runs it: what it prints, what it leaves on the disk, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ipa.cli.app import main
from tests.cli.test_app import ipa
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


def test_one_document_with_every_key_of_the_contract(simulate: Simulate) -> None:
    done = simulate("--trace", TRACE, "--policy", "auto,static-peak", "--output", "json")
    assert done.code == 0
    assert done.err == "warning: variants.csv has no load_s of detect/large: their replicas start in no time here\n"
    document = json.loads(done.out)
    assert (document["trace"], document["reason"]) == (TRACE, None)
    first, second = document["policies"]
    assert (first["policy"], second["policy"], first["seed"]) == ("auto", "static-peak", 0)
    assert first["requests"] == second["requests"] == first["answered"] > 150
    assert first["slo_share"] == 1.0
    assert 0.015 < first["p50_s"] <= first["p95_s"] <= first["p99_s"] < 0.5


def test_the_default_is_auto_at_the_configs_interval_and_seed_0(simulate: Simulate) -> None:
    plain = simulate("--trace", TRACE, "--output", "json")
    spelled = simulate(
        "--trace", TRACE, "--output", "json", "--policy", "auto", "--interval", "5s", "--seed", "0", "--seeds", "1"
    )
    assert plain == spelled


def test_the_same_seed_prints_the_same_document_and_another_one_does_not(simulate: Simulate) -> None:
    words = ("--trace", TRACE, "--policy", "auto,hpa,kpa,oracle", "--output", "json", "--seed")
    assert simulate(*words, "3").out == simulate(*words, "3").out
    assert simulate(*words, "3").rows[0]["requests"] != simulate(*words, "4").rows[0]["requests"]


def test_a_row_a_policy_and_a_seed(simulate: Simulate) -> None:
    done = simulate("--trace", TRACE, "--policy", "auto, oracle", "--seed", "5", "--seeds", "3", "--output", "json")
    assert [(row["policy"], row["seed"]) for row in done.rows] == [
        (policy, seed) for policy in ("auto", "oracle") for seed in (5, 6, 7)
    ]
    assert all(row["regret"] is not None for row in done.rows)
    assert [row["regret"] for row in done.rows[3:]] == [0.0, 0.0, 0.0]


def test_a_row_an_interval_but_one_for_who_has_none(simulate: Simulate) -> None:
    words = ("--trace", TRACE, "--policy", "auto,static-mean,hpa", "--interval", "10s, 2s", "--output", "json")
    assert [(row["policy"], row["interval_s"]) for row in simulate(*words).rows] == [
        ("auto", 10.0),
        ("auto", 2.0),
        ("static-mean", 10.0),
        ("hpa", 15.0),
    ]


def test_a_plan_file_is_one_row_called_plan(simulate: Simulate) -> None:
    solved = ipa("solve", "toy.yaml", "--rate", "20", "--dry-run", "--output", "json")
    Path("plan.json").write_text(solved.stdout)
    done = simulate("--trace", "constant:10x36s", "--plan", "plan.json", "--output", "json")
    (row,) = done.rows
    assert done.err == ""  # nothing is started, so it matters to nobody how long that takes
    assert (row["policy"], row["changes"], row["requests"], row["regret"]) == ("plan", 0, 360, None)
    cores = sum(each["cost_cores"] for each in json.loads(solved.stdout)["plan"])
    assert row["core_hours"] == pytest.approx(cores * 36 / 3600)
    assert len(simulate("--trace", TRACE, "--plan", "plan.json", "--seeds", "2", "--output", "json").rows) == 2


def test_the_forms_say_the_same(simulate: Simulate) -> None:
    words = ("--trace", TRACE, "--policy", "auto,static-mean")
    document = json.loads(simulate(*words, "--output", "json").out)
    assert yaml.safe_load(simulate(*words, "--output", "yaml").out) == document
    rows = list(csv.DictReader(io.StringIO(simulate(*words, "--output", "csv").out)))
    assert list(rows[0]) == list(document["policies"][0])
    for row, expected in zip(rows, document["policies"], strict=True):
        assert {name: None if cell == "" else cell for name, cell in row.items()} == {
            name: None if value is None else str(value) for name, value in expected.items()
        }
    table = simulate(*words).out
    assert "within 0.5 s" in table
    assert "static-mean" in table


def test_what_is_saved_adds_up_to_what_is_printed(simulate: Simulate) -> None:
    words = ("--trace", TRACE, "--policy", "auto,hpa", "--seeds", "2", "--output", "json")
    done = simulate(*words, "--save", "run")
    saved = json.loads(Path("run/simulation.json").read_text())
    assert saved["policies"] == done.rows
    assert (saved["trace"], saved["pipeline"], saved["duration_s"]) == (TRACE, "toy", 20.0)
    names = {f"{row['policy']}-{row['seed']}": row for row in done.rows}
    assert {path.name for path in Path("run").iterdir()} == {
        "simulation.json",
        *(f"{name}{end}" for name in names for end in (".seconds.csv", ".decisions.jsonl")),
    }
    for name, row in names.items():
        seconds = list(csv.DictReader(Path(f"run/{name}.seconds.csv").read_text().splitlines()))
        for total, column in (("requests", "sent"), ("answered", "answered"), ("dropped", "dropped")):
            assert sum(int(each[column]) for each in seconds) == row[total]


def test_a_saved_run_is_overwritten_only_when_asked(simulate: Simulate) -> None:
    assert simulate("--trace", TRACE, "--save", "run").code == 0
    again = simulate("--trace", TRACE, "--save", "run")
    assert (again.code, again.out) == (2, "")
    assert "run/simulation.json: exists; --force overwrites it" in again.err
    assert simulate("--trace", TRACE, "--save", "run", "--force", "--seed", "1").code == 0
    assert json.loads(Path("run/simulation.json").read_text())["policies"][0]["seed"] == 1
    assert sorted(path.name for path in Path("run").glob("auto*")) == ["auto-1.decisions.jsonl", "auto-1.seconds.csv"]


def test_what_is_saved_is_what_the_report_reads(simulate: Simulate) -> None:
    assert simulate("--trace", TRACE, "--policy", "auto,hpa", "--interval", "5s,2s", "--save", "run").code == 0
    told = ipa("report", "run", "--output", "json")
    assert told.returncode == 0, told.stderr
    assert "missing" not in told.stdout + told.stderr


@pytest.mark.parametrize("folder", ["toy.yaml", "no/such", "/proc/ipa"])
def test_what_cannot_be_saved_is_refused_before_anything_is_simulated(simulate: Simulate, folder: str) -> None:
    done = simulate("--trace", TRACE, "--save", folder)
    assert (done.code, done.out) == (2, "")
    assert f"--save {folder}: " in done.err


# --- no plan, no request, no room ----------------------------------------------------------------------------------


def test_an_slo_that_no_plan_meets_is_exit_3_and_the_reason_is_in_the_document(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "slo": {"latency": "1ms"}})
    done = simulate("--trace", TRACE, "--policy", "auto,static-peak", "--output", "json", "--save", "run")
    assert done.code == 3
    document = json.loads(done.out)
    assert document["policies"] == []
    assert "auto: no feasible plan" in document["reason"]
    assert "static-peak: no feasible plan" in document["reason"]
    assert "requests/s: slo.latency 0.001 s cannot be met" in document["reason"]
    assert document["reason"] in done.err
    assert json.loads(Path("run/simulation.json").read_text())["reason"] == document["reason"]


def test_who_has_a_plan_is_shown_beside_who_has_none(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "slo": {"latency": "20ms"}})
    done = simulate("--trace", TRACE, "--policy", "fa2-high,fa2-low", "--output", "json")
    assert done.code == 3
    assert [row["policy"] for row in done.rows] == ["fa2-low"]
    assert "fa2-high: no feasible plan" in done.err
    assert "(given what fa2-high fixes)" in done.err


QUIET = [
    ("no request at all", "0 0 0 0", 0),
    ("gaps", "0 0 5 0 0 0 9 0", 14),
    ("one second", "7", 7),
]


@pytest.mark.parametrize(("sentence", "counts", "requests"), QUIET)
def test_quiet_traces_are_simulated_by_all(simulate: Simulate, sentence: str, counts: str, requests: int) -> None:
    Path("trace.txt").write_text(counts)
    everyone = "auto,fa2-low,static-mean,static-peak,hpa,kpa,oracle"
    done = simulate("--trace", "trace.txt", "--policy", everyone, "--output", "json")
    assert done.code == 0, done.err
    assert [row["requests"] for row in done.rows] == [requests] * 7, sentence
    assert all(row["answered"] == requests and row["core_hours"] > 0 for row in done.rows)
    assert all((row["slo_share"] is None) == (requests == 0) for row in done.rows)


def test_a_load_beyond_any_capacity_is_dropped_and_counted(simulate: Simulate) -> None:
    done = simulate("--trace", "constant:20000x5s", "--policy", "auto,hpa,oracle", "--output", "json")
    assert done.code == 0
    for row in done.rows:
        assert row["requests"] == 100_000 == row["answered"] + row["dropped"]
        assert row["dropped"] > 90_000


def test_a_queue_of_one(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "router": {"queue_limit": 1}})
    (row,) = simulate("--trace", "gamma:20:cv4x20s", "--output", "json").rows
    assert row["dropped"] > 0
    assert row["requests"] == row["answered"] + row["dropped"]


def test_a_graph_with_a_branch_and_drawn_service_times(simulate: Simulate) -> None:
    stages = [
        {"name": "detect"},
        {"name": "classify", "visits": 0.25, "when": {"output": "unsure", "equals": True}},
    ]
    write(Path(), {**PIPELINE, "stages": stages})
    (row,) = simulate("--trace", "constant:10x100s", "--policy", "fa2-low", "--output", "json").rows
    assert row["answered"] == 1000
    assert row["accuracy"] == pytest.approx(0.7 * (0.75 + 0.25 * 0.8), abs=0.01)
    drawn = simulate("--trace", TRACE, "--service", "quantiles", "--output", "json")
    assert drawn.code == 0
    assert drawn.out != simulate("--trace", TRACE, "--output", "json").out


# --- refusals ------------------------------------------------------------------------------------------------------

OTHER_PLAN = "[{stage: detect, variant: huge, hardware: cpu, cores: 1, batch: 1, replicas: 1}]"
REFUSED = [
    (["--trace", "constant:20x0s"], "0s must be longer than 0"),
    (["--trace", "empty.txt"], "holds no counts; at least one second is needed"),
    (["--trace", "nan.txt"], "second 1: count nan must be a whole number"),
    (["--trace", "none.txt"], "none.txt: No such file"),
    (["--trace", "constant:1e9x1h"], "at most 100,000,000 can be made"),
    (["--trace", TRACE, "--policy", "best"], "--policy 'best' is not known: one of auto"),
    (["--trace", TRACE, "--policy", "auto,best"], "--policy 'best' is not known: one of auto"),
    (["--trace", TRACE, "--policy", "auto,rim"], "policy rim: the config has no `policies.rim`"),
    (["--trace", TRACE, "--policy", "auto,,hpa"], "--policy 'auto,,hpa': an entry between commas is empty"),
    (["--trace", TRACE, "--policy", ""], "--policy '': an entry between commas is empty"),
    (["--trace", TRACE, "--policy", "auto,hpa,auto"], "--policy 'auto,hpa,auto': 'auto' is named twice"),
    (["--trace", TRACE, "--interval", "0s"], "--interval"),
    (["--trace", TRACE, "--interval", "10"], "--interval"),
    (["--trace", TRACE, "--interval", "10s,,5s"], "--interval '10s,,5s': an entry between commas is empty"),
    (["--trace", TRACE, "--plan", "other.yaml"], "huge"),
    (["--trace", TRACE, "--plan", "none.yaml"], "none.yaml: cannot be read"),
    (["--trace", TRACE, "--plan", "other.yaml", "--policy", "auto"], "leave --policy and --interval out"),
    (["--trace", TRACE, "--plan", "other.yaml", "--interval", "5s"], "leave --policy and --interval out"),
    (["--trace", TRACE, "--seeds", "0"], "--seeds"),
    (["--trace", TRACE, "--seed", "-1"], "--seed"),
    (["--trace", TRACE, "--service", "max"], "--service"),
    (["--trace", TRACE, "--output", "xml"], "--output"),
    ([], "--trace"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=lambda value: " ".join(value) if type(value) is list else "")
def test_what_is_wrong_is_named_before_anything_is_simulated(simulate: Simulate, words: list[str], said: str) -> None:
    Path("empty.txt").write_text("")
    Path("nan.txt").write_text("1 nan 3")
    Path("other.yaml").write_text(OTHER_PLAN)
    done = simulate(*words, "--save", "run")
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert not Path("run/simulation.json").exists()


def test_a_request_that_fans_out_is_refused(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "stages": [{"name": "detect"}, {"name": "classify", "visits": 2.5}]})
    done = simulate("--trace", TRACE)
    assert done.code == 2
    assert "stage 'classify': 2.5 visits where what comes before has 1: a request that fans out" in done.err


# --- as a process --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_interrupt_ends_it_with_130_and_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    write(tmp_path, PIPELINE)
    words = ["simulate", "toy.yaml", "--trace", "constant:2000x3m", "--seeds", "1000", "--save", "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ipa", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not list((tmp_path / "run").glob("*.decisions.jsonl")) and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    left = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert "simulation.json" not in left
    assert not any(name.startswith(".") for name in left)


def test_the_help_names_its_options() -> None:
    done = ipa("simulate", "--help")
    assert done.returncode == 0
    for word in ("--policy", "--plan", "--seeds", "--interval", "--service", "--save"):
        assert word in done.stdout
