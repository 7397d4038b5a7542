"""The simulation's table shows what differs and leaves out what says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.report.simulate import COLUMNS, document, print_table, setting, unknown_starts
from ipa.simulation.backtest import Row
from tests.simulation.toys import toy

ROW = Row(
    policy="auto",
    seed=0,
    requests=1200,
    answered=1150,
    dropped=50,
    failed=0,
    slo_share=0.9512,
    mean_s=0.02,
    p50_s=0.0184,
    p95_s=0.1,
    p99_s=1.2345,
    accuracy=0.86624,
    core_hours=0.1,
    cost=0.0,
    changes=2,
    objective=33.67061,
    interval_s=10.0,
)


def shown(capsys: pytest.CaptureFixture[str], *rows: Row) -> tuple[list[str], list[list[str]]]:
    """The titles, and the cells of every row."""
    print_table(toy(), rows)
    lines = [line.replace("┃", "│") for line in capsys.readouterr().out.splitlines()]
    titles, *body = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    return titles, body


def test_one_run_is_shown_without_what_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    titles, body = shown(capsys, ROW)
    assert titles == [
        "policy",
        "requests",
        "dropped",
        "within 0.5 s",
        "p50",
        "p99",
        "accuracy",
        "core h",
        "changes",
        "objective",
    ]
    assert body == [["auto", "1,200", "50", "95.12%", "18 ms", "1,234 ms", "86.62%", "0.10", "2", "33.6706"]]


COLUMN = [
    ("seed", replace(ROW, seed=7), "7"),
    ("interval", replace(ROW, interval_s=2.5), "2.5 s"),
    ("cost", replace(ROW, cost=0.0125), "0.013"),
    ("regret", replace(ROW, regret=-0.5), "-0.5000"),
]


@pytest.mark.parametrize(("title", "other", "cell"), COLUMN)
def test_a_column_is_there_when_it_says_something(
    capsys: pytest.CaptureFixture[str], title: str, other: Row, cell: str
) -> None:
    titles, body = shown(capsys, ROW, other)
    assert title in titles
    assert body[1][titles.index(title)] == cell


def test_an_autoscalers_own_interval_is_no_reason_for_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    titles, _ = shown(capsys, ROW, replace(ROW, policy="hpa", interval_s=15.0))
    assert "interval" not in titles


def test_where_nothing_was_answered_there_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    empty = replace(ROW, requests=0, slo_share=None, p50_s=None, p99_s=None, accuracy=None)
    titles, body = shown(capsys, empty)
    assert [body[0][titles.index(title)] for title in ("within 0.5 s", "p50", "p99", "accuracy")] == ["–"] * 4


def test_nothing_at_all_is_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys)[1] == []


def test_the_document_holds_the_contracts_keys_and_the_reason() -> None:
    contract = (
        "policy seed requests answered dropped failed slo_share mean_s p50_s p95_s p99_s accuracy core_hours cost"
    )
    got = document("poisson:5x5s", [ROW], "fa2-high: no feasible plan")
    assert list(got) == ["trace", "policies", "reason"]
    added = ["changes", "objective", "interval_s", "regret", "predictor"]
    assert list(got["policies"][0]) == [*contract.split(), *added] == list(COLUMNS)
    assert (got["trace"], got["reason"]) == ("poisson:5x5s", "fa2-high: no feasible plan")
    assert document("poisson:5x5s", [])["reason"] is None


def test_the_setting_is_what_a_reader_needs_to_judge() -> None:
    assert setting(toy(), 60.0) == {
        "pipeline": "toy",
        "slo_s": 0.5,
        "percentile": 99.0,
        "drop_after_s": 1.0,
        "interval_s": 10.0,
        "duration_s": 60.0,
    }


def test_starts_that_nobody_measured_are_named() -> None:
    known = toy(load_s={"small": 1.0, "large": 0.0, "light": 2.0, "heavy": 3.0}).pipeline
    assert unknown_starts(known) is None
    said = "variants.csv has no load_s of {}: their replicas start in no time here"
    assert unknown_starts(toy(load_s={"small": 1.0}).pipeline) == said.format(
        "detect/large, classify/light, classify/heavy"
    )
    assert unknown_starts(toy().pipeline) == said.format("detect/small, detect/large, classify/light and 1 more")
