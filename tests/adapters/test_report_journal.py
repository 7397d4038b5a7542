"""The journal of a pipeline as it is found: still being written, appended to by several runs, with holes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ipa.adapters.journal import Journal
from ipa.adapters.report_journal import journal_run, read_journal
from ipa.errors import UsageError
from ipa.report.html.story import Objective, Run
from tests.report.html.recordings import journal_lines, write_lines

LINES = journal_lines(60)


def run(path: Path) -> Run:
    return journal_run(path, Objective(None))


def turn(at_s: float, **more: Any) -> dict[str, Any]:
    return {"pipeline": "digits", "at_s": at_s, "reason": "the live plan is the best", **more}


def test_what_adapt_records_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    for line in LINES:
        journal.append(line)
    journal.close()
    found = run(tmp_path / "j.jsonl")
    assert (found.title, found.kind, len(found.policies[0].decisions)) == ("video", "adapt journal", len(LINES))
    assert found.start is not None
    assert found.start.timestamp() == 1_790_000_000
    for line, decision in zip(LINES, found.policies[0].decisions, strict=True):
        assert decision.reason == line["reason"]
        assert decision.forecast_rps == line["forecast_rps"]
        assert decision.applied == bool(line["outcome"] and line["outcome"]["applied"])
        assert [change.stage for change in decision.changes] == [change["stage"] for change in line["changes"]]
        assert decision.wanted is None or decision.wanted.total_cores == line["cost_cores"]
    assert found.duration_s == pytest.approx(70)  # the last turn holds for an interval


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_last_line_that_is_being_written_is_left_out_and_said(tmp_path: Path, kept: int) -> None:
    whole = "".join(json.dumps(line) + "\n" for line in LINES)
    (tmp_path / "j.jsonl").write_text(whole + json.dumps(LINES[0])[:kept])
    found = run(tmp_path / "j.jsonl")
    assert len(found.policies[0].decisions) == len(LINES)
    assert "The last line is not whole" in found.notes[0]


def test_a_whole_last_line_counts_even_before_its_end_is_written(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text("\n".join(json.dumps(line) for line in LINES))
    assert len(run(tmp_path / "j.jsonl").policies[0].decisions) == len(LINES)


def test_a_broken_line_in_the_middle_is_an_error_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text(f"{json.dumps(LINES[0])}\n{{broken\n{json.dumps(LINES[1])}\n")
    with pytest.raises(UsageError, match=r"j\.jsonl:2: is not JSON"):
        run(tmp_path / "j.jsonl")


def test_the_last_of_several_runs_is_told(tmp_path: Path) -> None:
    times = [0, 10, 20, 5000, 5010, 5020, 5030]
    write_lines(tmp_path / "j.jsonl", [turn(at_s) for at_s in times])
    found = run(tmp_path / "j.jsonl")
    assert [d.at_s for d in found.policies[0].decisions] == [0, 10, 20, 30]
    assert found.notes[0] == "3 turns of earlier runs in this journal left out."


def test_other_pipelines_in_one_journal_are_left_out(tmp_path: Path) -> None:
    write_lines(tmp_path / "j.jsonl", [turn(0), turn(1, pipeline="video"), turn(2)])
    found = run(tmp_path / "j.jsonl")
    assert (found.title, len(found.policies[0].decisions)) == ("digits", 2)
    assert found.notes[0] == "1 turn of other pipelines left out."


def test_a_clock_that_was_set_back_changes_the_order_of_nothing_shown(tmp_path: Path) -> None:
    write_lines(tmp_path / "j.jsonl", [turn(10), turn(5), turn(20)])
    assert [d.at_s for d in run(tmp_path / "j.jsonl").policies[0].decisions] == [0, 5, 15]


def test_nulls_and_what_is_no_number_are_unknown(tmp_path: Path) -> None:
    line = '{"at_s": 3, "reason": "r", "rate_rps": NaN, "forecast_rps": null, "accuracy": Infinity, "live": null}\n'
    (tmp_path / "j.jsonl").write_text(line)
    (decision,) = read_journal(tmp_path / "j.jsonl").decisions
    assert (decision.rate_rps, decision.forecast_rps, decision.accuracy, decision.live) == (None, None, None, None)
