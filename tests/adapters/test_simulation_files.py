"""What a simulation leaves on the disk: whole or not there, and it adds up to the document."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipa.adapters.simulation_files import open_folder, save_document, save_run
from ipa.domain import Config, Limits
from ipa.errors import UsageError
from ipa.simulation.backtest import Run, rates_of, row, run
from ipa.simulation.rivals import Rival, rival
from ipa.workload.trace import counts_per_second
from tests.simulation.toys import plan, toy


def simulated(policy: str = "auto", config: Config | None = None) -> Run:
    """10/s for 30 s, then 200/s for 30 s, where three cores carry some of it."""
    arrivals_s = np.concatenate([np.arange(0, 30, 0.1), np.arange(30, 60, 0.005)])
    chosen = toy(Limits(cores=3), load_s={"small": 2.0}) if config is None else config
    found = rival(policy, chosen, rates_of(counts_per_second(arrivals_s, 60.0), 60.0))
    assert isinstance(found, Rival), found
    return run(found, arrivals_s, 60.0)


def seconds(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_seconds_sum_to_the_totals(tmp_path: Path) -> None:
    done = simulated()
    save_run(tmp_path, done, several_intervals=False)
    rows, total = seconds(tmp_path / "auto-0.seconds.csv"), row(done)
    assert len(rows) == 60
    for each in rows:
        assert int(each["sent"]) == int(each["answered"]) + int(each["dropped"]) + int(each["failed"])
    sums = {name: sum(int(each[name]) for each in rows) for name in ("sent", "answered", "dropped", "failed", "late")}
    assert (sums["sent"], sums["answered"]) == (total.requests, total.answered)
    assert (sums["dropped"], sums["failed"]) == (total.dropped, total.failed)
    assert total.dropped > 0
    assert total.slo_share == pytest.approx((sums["answered"] - sums["late"]) / sums["sent"])
    right = sum(float(each["accuracy"]) * int(each["answered"]) for each in rows if each["accuracy"])
    assert right / total.answered == pytest.approx(total.accuracy)


def test_a_second_holds_the_cores_that_it_began_with(tmp_path: Path) -> None:
    done = simulated()
    save_run(tmp_path, done, several_intervals=False)
    rows = seconds(tmp_path / "auto-0.seconds.csv")
    for each in rows:
        held = [s.cores for s in done.spending if s.at_s <= int(each["second"])][-1]
        assert int(each["cores"]) == held
    assert len({each["cores"] for each in rows}) > 1


def test_a_second_in_which_nothing_was_answered_has_no_accuracy(tmp_path: Path) -> None:
    found = Rival("plan", toy(), plan(("small", 1, 1)), None)
    save_run(tmp_path, run(found, np.array([2.5]), 5.0), several_intervals=False)
    assert [each["accuracy"] for each in seconds(tmp_path / "plan-0.seconds.csv")] == ["", "", "0.5599999999999999"]
    assert (tmp_path / "plan-0.decisions.jsonl").read_text() == ""


def test_every_turn_is_a_line_as_in_the_journal(tmp_path: Path) -> None:
    done = simulated()
    save_run(tmp_path, done, several_intervals=False)
    saved = lines(tmp_path / "auto-0.decisions.jsonl")
    assert len(saved) == len(done.turns) == 7
    assert [each["at"] for each in saved][:2] == ["1970-01-01T00:00:00.000+00:00", "1970-01-01T00:00:10.000+00:00"]
    assert [each["reason"] for each in saved] == [turn.decision.reason for turn in done.turns]
    assert sum(each["apply"] is not None for each in saved) == row(done).changes >= 1


def test_the_interval_is_in_the_name_only_where_several_were_asked_for(tmp_path: Path) -> None:
    save_run(tmp_path, simulated(), several_intervals=True)
    save_run(tmp_path, simulated("hpa"), several_intervals=False)  # whose own interval is another
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["auto-10s-0.seconds.csv", "hpa-0.seconds.csv"]


def test_the_document_is_json_whatever_its_numbers(tmp_path: Path) -> None:
    save_document(tmp_path, {"trace": "t", "policies": [{"objective": float("nan")}]})
    assert json.loads((tmp_path / "simulation.json").read_text())["policies"] == [{"objective": None}]


def test_a_folder_is_made_but_never_its_parents(tmp_path: Path) -> None:
    open_folder(tmp_path / "new", force=False)
    assert (tmp_path / "new").is_dir()
    with pytest.raises(UsageError, match="must be a folder, in one that exists"):
        open_folder(tmp_path / "no" / "new", force=False)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match=r"--save .*/file: must be a folder"):
            open_folder(tmp_path / "file", force=force)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_holds_a_simulation_is_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("mine")
    open_folder(tmp_path, force=False)
    save_run(tmp_path, simulated(), several_intervals=True)
    save_document(tmp_path, {"old": 1})
    with pytest.raises(UsageError, match=r"simulation.json: exists; --force overwrites it"):
        open_folder(tmp_path, force=False)
    open_folder(tmp_path, force=True)
    assert (tmp_path / "simulation.json").exists()  # until there is something new
    save_run(tmp_path, simulated("static-mean", replace(toy())), several_intervals=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other.txt",
        "static-mean-0.decisions.jsonl",
        "static-mean-0.seconds.csv",
    ]
    assert (tmp_path / "other.txt").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="must be writable"):
        open_folder(tmp_path, force=False)
    with pytest.raises(UsageError, match="cannot be made: Permission denied"):
        open_folder(tmp_path / "new", force=False)
    tmp_path.chmod(0o700)


def test_a_disk_that_takes_no_folder_is_an_error_with_its_words() -> None:
    with pytest.raises(UsageError, match="--save /proc/ipa: cannot be made: "):
        open_folder(Path("/proc/ipa"), force=False)
