"""`ipa simulate` as a user runs it: what it prints, and what it leaves on the disk."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import PIPELINE, TRACE, Simulate
from tests.cli.test_app import ipa
from tests.config.test_config import write


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
