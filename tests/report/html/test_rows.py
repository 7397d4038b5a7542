"""Decisions and seconds as cells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.domain import Allocation, Change, Plan
from ipa.ports import Outcome
from ipa.report.adapt import dry
from ipa.report.html.rows import NUMBER_COLUMNS, decision_row, number_rows
from ipa.report.html.story import Decision, Second
from ipa.report.html.turns import Stretch

BEFORE, AFTER = Allocation("detect", "small", "cpu", 2, 1, 1), Allocation("detect", "large", "gpu", 1, 8, 3)
TURN = Decision(61.0, "better", 20.0, 24.5, apply=Plan((AFTER,)), changes=(Change("detect", BEFORE, AFTER),))


def test_a_change_is_short_with_all_of_it_in_the_title() -> None:
    row = decision_row(Stretch(TURN, TURN, 1), None)
    (change,) = row.changes
    assert (row.when, row.load, row.forecast) == ("1:01", "20", "24.5")
    assert (change.stage, change.before, change.after) == ("detect", "1×small b1", "3×large b8")
    assert change.title == "1×small (cpu, 2 cores, batch 1) → 3×large (gpu, 1 core, batch 8)"


@pytest.mark.parametrize(
    ("outcome", "kind", "detail"),
    [
        (Outcome(True, 0.01), "applied", ""),
        (Outcome(True, 4.25, "one replica at a time"), "applied", "took 4.25 s; one replica at a time"),
        (Outcome(False, 1.0, "no room"), "failed", "no room"),
        (dry(Plan((AFTER,))), "proposed", "dry run"),
        (None, "proposed", ""),
    ],
)
def test_what_became_of_a_change_is_said(outcome: Outcome | None, kind: str, detail: str) -> None:
    row = decision_row(Stretch(TURN, replace(TURN, outcome=outcome), 1), None)
    assert (row.kind, row.detail) == (kind, detail)


def test_a_stretch_has_its_first_and_last_time() -> None:
    row = decision_row(Stretch(Decision(0, "best"), Decision(50, "best"), 6), None)
    assert (row.when, row.turns, row.kind) == ("0:00 – 0:50", 6, "kept")


def test_numbers_are_of_the_whole_run_in_few_rows() -> None:
    width_s, rows = number_rows([Second(i, 10, 9, 1, 0, 1, 0.1, 0.2, 0.5, 2.0) for i in range(120)], None)
    assert (width_s, len(rows)) == (2, 60)
    assert dict(zip(NUMBER_COLUMNS, rows[1], strict=True)) == {
        "from": "0:02",
        "sent": "20",
        "in SLO": "80 %",
        "late": "2",
        "dropped": "2",
        "failed": "0",
        "p50": "100 ms",
        "p99": "200 ms",
        "cores": "2",
        "accuracy": "50 %",
    }
    assert number_rows([], None)[1] == ()
