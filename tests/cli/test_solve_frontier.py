"""`ipa solve --frontier` as a user runs it: the document, CSV, the chart, the picture, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from ipa.cli.solve import solve
from ipa.errors import IpaError
from tests.config.test_config import write

app = typer.Typer()
app.command()(solve)


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def refused(*words: str) -> str:
    error = CliRunner().invoke(app, list(words)).exception
    assert isinstance(error, IpaError)
    assert error.exit_code == 2
    return str(error)


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path, {"objective": {"accuracy": 10, "cost": 0.1}}))


def test_the_document_has_the_points_by_rising_cost(config: str) -> None:
    document = json.loads(run(config, "--rate", "60", "--frontier", "--output", "json").stdout)
    assert (document["pipeline"], document["rate_rps"], document["unit"]) == ("toy", 60, "cores")
    assert document["off_front"] is None
    assert [point["cost"] for point in document["points"]] == [2, 7]
    assert list(document["points"][0]) == [
        "cost",
        "cost_cores",
        "cost_per_hour",
        "accuracy",
        "score",
        "objective",
        "latency_s",
        "knee",
        "chosen",
        "plan",
    ]


def test_the_chosen_point_is_what_solve_answers(config: str) -> None:
    front = json.loads(run(config, "--rate", "60", "--frontier", "--output", "json").stdout)
    solved = json.loads(run(config, "--rate", "60", "--dry-run", "--output", "json").stdout)
    (chosen,) = [point for point in front["points"] if point["chosen"]]
    assert {key: chosen[key] for key in ("plan", "objective", "accuracy", "cost_cores", "latency_s")} == {
        key: solved[key] for key in ("plan", "objective", "accuracy", "cost_cores", "latency_s")
    }


def test_yaml_holds_the_same_as_json(config: str) -> None:
    as_yaml = yaml.safe_load(run(config, "--rate", "60", "--frontier", "--output", "yaml").stdout)
    assert as_yaml == json.loads(run(config, "--rate", "60", "--frontier", "--output", "json").stdout)


def test_csv_has_a_line_a_point(config: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run(config, "--rate", "60", "--frontier", "--output", "csv").stdout)))
    assert [(row["cost"], row["chosen"]) for row in rows] == [("2.0", "false"), ("7.0", "true")]
    assert rows[0]["plan"] == "detect 1×small (cpu, 1 core, batch 1), classify 1×light (cpu, 1 core, batch 1)"


def test_the_table_marks_the_chosen_point_and_draws_a_chart(config: str) -> None:
    shown = run(config, "--rate", "60", "--frontier").stdout
    assert "toy at 60 requests/s: accuracy against cores" in shown
    assert "chosen" in shown
    assert "0.7200 ┤" + " " * 71 + "C" in shown


def test_a_choice_off_the_front_is_said(tmp_path: Path) -> None:
    """Where batches weigh much, small on two cores is chosen before small on one in fours."""
    config = str(write(tmp_path, {"objective": {"accuracy": 1, "cost": 0.1, "batch": 1}}))
    document = json.loads(run(config, "--rate", "110", "--frontier", "--output", "json").stdout)
    assert [point["cost"] for point in document["points"]] == [2, 13]
    assert not any(point["chosen"] for point in document["points"])
    assert document["off_front"]["cost"] == 3
    shown = run(config, "--rate", "110", "--frontier").stdout
    assert "the plan that maximises 1·product − 0.1·cores − 1·Σ batch is not one of them: 3 cores" in shown


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_picture_is_written(config: str, tmp_path: Path, ending: str) -> None:
    picture = tmp_path / f"front.{ending}"
    run(config, "--rate", "60", "--frontier", "--plot", str(picture))
    assert picture.stat().st_size > 1000


def test_a_budget_of_cores_cuts_the_front(config: str) -> None:
    document = json.loads(run(config, "--rate", "60", "--frontier", "--cores", "6", "--output", "json").stdout)
    assert [point["cost"] for point in document["points"]] == [2]


def test_without_a_feasible_plan_the_same_document_says_why(tmp_path: Path) -> None:
    config = str(write(tmp_path, {"limits": {"cores": 3}}))
    words = (config, "--rate", "1000", "--frontier")
    document = json.loads(run(*words, "--output", "json", code=3).stdout)
    assert document["points"] == []
    assert document["reason"].startswith("no feasible plan at 1000 requests/s: limits.cores 3 cannot be met")
    assert [r["limit"] for r in document["relaxations"]] == ["limits.cores"]
    assert document["reason"] in run(*words, code=3).stdout
    table = run(*words, "--output", "csv", code=3)
    assert table.stdout.startswith("cost,cost_cores,")
    assert len(table.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--frontier", "--policy", "milp"], "--frontier is found by the policy auto only"),
        (["--frontier", "--exit-code"], "--exit-code only goes with --dry-run"),
        (["--frontier", "--plot", "front.gif"], "'.gif' is not one of .png, .svg, .pdf"),
        (["--frontier", "--cores", "nan"], "a budget is a finite number of cores"),
        (["--dry-run", "--output", "csv"], "--output csv only goes with --frontier"),
        (["--dry-run", "--plot", "front.svg"], "--plot front.svg only goes with --frontier"),
    ],
)
def test_what_is_refused(config: str, words: list[str], said: str) -> None:
    assert said in refused(config, "--rate", "60", *words)


def test_without_a_rate_something_must_run(config: str) -> None:
    assert "nothing runs for pipeline 'toy'" in refused(config, "--frontier")
