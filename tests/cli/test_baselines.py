"""Baselines and the base allocation on the command line: plans on stdout, warnings on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_app import ipa
from tests.config.test_allocation import BASE, MEASUREMENTS, VARIANTS
from tests.config.test_config import write

ROOT = Path(__file__).parent.parent.parent
POLICIES = {"fa2-low": {"detect": "large"}, "rim": {"detect": 3}, "static": {"detect": {"batch": 4}, "classify": 2}}


def solved(config: Path, policy: str) -> dict[str, Any]:
    done = ipa("solve", str(config), "--rate", "10", "--dry-run", "--policy", policy, "--output", "json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize(
    ("policy", "plan"),
    [
        ("fa2-low", [("large", 2, 1, 1), ("light", 1, 1, 1)]),
        ("fa2-high", [("large", 2, 1, 1), ("light", 1, 1, 1)]),
        ("rim", [("large", 2, 1, 3), ("light", 1, 1, 1)]),
        ("static", [("small", 1, 4, 1), ("light", 1, 1, 2)]),
    ],
)
def test_each_baseline_plans(tmp_path: Path, policy: str, plan: list[tuple[str, int, int, int]]) -> None:
    document = solved(write(tmp_path, {"policies": POLICIES, "objective": {"accuracy": 100}}), policy)
    rows = document["plan"]
    assert [(r["variant"], r["cores"], r["batch"], r["replicas"]) for r in rows] == plan
    assert [r["cost_cores"] for r in rows] == [cores * replicas for _, cores, _, replicas in plan]
    assert document["cost_cores"] == sum(r["cost_cores"] for r in rows)
    assert (document["solver"]["name"], document["solver"]["status"], document["solver"]["gap"]) == (
        policy,
        "optimal",
        0,
    )


@pytest.mark.parametrize("command", [["solve", "--rate", "10", "--dry-run"], ["adapt", "--once"]])
def test_a_baseline_the_config_says_nothing_about(tmp_path: Path, command: list[str]) -> None:
    name, *options = command
    done = ipa(name, str(write(tmp_path, {})), *options, "--policy", "rim")
    assert done.returncode == 2
    assert "as in `policies: {rim: {detect: 3, classify: 3}}`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_live_loop_has_no_oracle(tmp_path: Path) -> None:
    done = ipa("adapt", str(write(tmp_path, {"forecast": {"predictor": "oracle"}})), "--once")
    assert (done.returncode, done.stderr) == (
        2,
        "ipa: toy: forecast.predictor oracle knows what will come: it is for ipa simulate alone\n",
    )


@pytest.mark.parametrize("policy", ["fa2-low", "fa2-high", "rim", "static"])
def test_the_demo_pipeline_has_a_plan_by_every_baseline(policy: str) -> None:
    assert solved(ROOT / "configs" / "digits.yaml", policy)["feasible"]


def test_a_warning_of_the_config_goes_to_stderr(tmp_path: Path) -> None:
    rows = MEASUREMENTS.replace("large,cpu,2,1,0.2,", "large,cpu,2,1,0.3,")
    path = write(tmp_path, BASE, variants=VARIANTS, measurements=rows)
    done = ipa("solve", str(path), "--rate", "1", "--dry-run", "--output", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["plan"][0]["variant"] == "small"
    assert done.stderr == (
        f"ipa: warning: {path}: stage detect: large on cpu gets no base allocation: "
        "at batch 1 it carries at most 3.333 requests/s (2 core(s)), the threshold is 4\n"
    )
