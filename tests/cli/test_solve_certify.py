"""`ipa solve --certify` as a user runs it: the document, the line, the exit codes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ipa.errors import UsageError
from tests.cli.test_solve_frontier import app, refused, run
from tests.config.test_config import write

RATE = ("--rate", "19", "--dry-run")  # detect/large answers 20 requests/s at most


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path, {"objective": {"accuracy": 10, "cost": 0.1}, "batches": [1]}))


def document(config: str, *words: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(config, *words, "--output", "json", code=code).stdout)
    return found


def test_the_document_holds_the_certificate(config: str) -> None:
    found = document(config, *RATE, "--certify")
    certificate = found["certificate"]
    assert list(certificate) == [
        "percentile",
        "latency_s",
        "half_width_s",
        "slo_share",
        "requests",
        "cv",
        "plans_tried",
    ]
    assert certificate["latency_s"] + certificate["half_width_s"] <= 0.5
    assert certificate["slo_share"] >= 0.99
    assert (certificate["percentile"], certificate["requests"], certificate["cv"]) == (99, 100_000, 1)
    assert found["solver"]["status"] == "optimal"


def test_without_it_there_is_none(config: str) -> None:
    assert "certificate" not in document(config, *RATE)


def test_a_plan_that_is_busy_all_the_time_gets_another_replica(config: str) -> None:
    plain, sure = document(config, *RATE), document(config, *RATE, "--certify")
    assert sure["certificate"]["plans_tried"] > 1
    assert sure["cost_cores"] > plain["cost_cores"]
    assert sure["objective"] < plain["objective"]


def test_the_table_says_the_percentile_with_its_half_width(config: str) -> None:
    found = run(config, *RATE, "--certify").stdout
    certificate = document(config, *RATE, "--certify")["certificate"]
    value, half = 1e3 * certificate["latency_s"], 1e3 * certificate["half_width_s"]
    digits = 0 if value >= 100 else 1
    assert f"p99 = {value:.{digits}f} ± {half:.{digits}f} ms (100,000 simulated arrivals, Poisson; " in found


def test_uneven_arrivals_are_named(config: str) -> None:
    assert "simulated arrivals, Gamma with cv 3; " in run(config, *RATE, "--certify", "--cv", "3").stdout


def test_nothing_arrives_at_rate_0(config: str) -> None:
    assert (
        "nothing arrives, so nothing is late (1 plan tried)"
        in run(config, "--rate", "0", "--dry-run", "--certify").stdout
    )


def test_the_percentile_is_that_of_the_slo(tmp_path: Path) -> None:
    config = str(write(tmp_path, {"slo": {"latency": "500ms", "percentile": 95}}))
    assert "p95 = " in run(config, *RATE, "--certify").stdout


def test_a_budget_of_cores_bounds_the_replicas(config: str) -> None:
    found = document(config, *RATE, "--certify", "--cores", "3", code=0)
    assert found["cost_cores"] <= 3


def test_no_plan_that_passes_is_exit_3_with_the_reason(tmp_path: Path) -> None:
    tight = {"limits": {"replicas": 1}, "stages": [{"name": "detect", "variants": ["large"]}], "batches": [1]}
    config = str(write(tmp_path, tight))
    found = document(config, "--rate", "19.9", "--dry-run", "--certify", code=3)
    assert not found["feasible"]
    assert found["plan"] == []
    assert found["reason"] == "no plan keeps p99 within 0.5 s in simulation (1 plan tried)"
    assert found["certificate"]["latency_s"] is None
    said = run(config, "--rate", "19.9", "--dry-run", "--certify", code=3).stdout
    assert said == "no plan keeps p99 within 0.5 s in simulation (1 plan tried)\n"


def test_no_plan_at_all_is_diagnosed_as_without_it(tmp_path: Path) -> None:
    config = str(write(tmp_path, {"slo": {"latency": "1ms"}}))
    assert document(config, *RATE, "--certify", code=3)["relaxations"] == document(config, *RATE, code=3)["relaxations"]


def test_too_little_time_is_an_error_and_no_proof(config: str) -> None:
    found = document(config, *RATE, "--certify", "--time-limit", "1us", code=1)
    assert found["reason"].startswith("no plan was found within 1e-06 s that passes the simulation")
    assert found["solver"]["status"] == "time limit"


def test_a_baseline_is_certified_within_what_it_fixes(tmp_path: Path) -> None:
    config = str(write(tmp_path, {"policies": {"rim": {"detect": 3, "classify": 2}}}))
    found = document(config, *RATE, "--certify", "--policy", "rim")
    assert [row["replicas"] for row in found["plan"]] == [3, 2]
    assert found["certificate"]["slo_share"] >= 0.99


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--certify", "--frontier"), "--certify is of one plan"),
        (("--certify", "--explain"), "--certify is of one plan"),
        (("--cv", "2"), "--cv 2 only goes with --certify"),
        (("--certify", "--cv", "0"), "cv 0: the variation of the times between arrivals lies in 0.01…100"),
        (("--certify", "--cv", "nan"), "cv nan: the variation"),
    ],
)
def test_what_cannot_be_is_refused(config: str, words: tuple[str, ...], rule: str) -> None:
    assert rule in refused(config, *RATE, *words)


def test_several_pipelines_are_refused(config: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = str(write(tmp_path / "other", {"name": "other"}))
    assert "--certify is of one plan" in refused(config, other, *RATE, "--certify")


def test_a_request_that_fans_out_is_refused(tmp_path: Path) -> None:
    config = str(write(tmp_path, {"stages": [{"name": "detect"}, {"name": "classify", "visits": 2}]}))
    error = CliRunner().invoke(app, [config, *RATE, "--certify"]).exception
    assert isinstance(error, UsageError)
    assert "fans out cannot be simulated" in str(error)
