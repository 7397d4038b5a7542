"""`ipa solve` as a user runs it: the contract's document, the exit codes, and errors before any work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ipa.policy import POLICIES
from ipa.policy.fixed import BASELINES
from tests.cli.test_app import ipa
from tests.config.test_config import write

LIMITS = {"limits": {"cores": 3, "utilisation": 0.8}, "objective": {"accuracy": 10}}


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path, LIMITS))


def solved(*words: str, code: int = 0) -> dict[str, Any]:
    done = ipa("solve", *words, "--dry-run", "--output", "json")
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_document_holds_every_key_of_the_contract(config: str) -> None:
    document = solved(config, "--rate", "10")
    assert list(document) == [
        "pipeline",
        "rate_rps",
        "feasible",
        "reason",
        "plan",
        "objective",
        "score",
        "accuracy",
        "cost_cores",
        "cost_per_hour",
        "latency_s",
        "solver",
        "changes",
        "relaxations",
    ]
    assert document["plan"][0] == {
        "stage": "detect",
        "variant": "large",
        "hardware": "cpu",
        "cores": 2,
        "batch": 1,
        "replicas": 1,
        "latency_s": 0.052,
        "queue_s": 0.0,
        "throughput_rps": 20.0,
        "accuracy": 0.9,
        "cost_cores": 2.0,
    }
    assert document["feasible"] is True
    assert document["accuracy"] == pytest.approx(0.72)
    assert document["latency_s"] == pytest.approx(0.059)
    assert document["objective"] == pytest.approx(10 * 0.72 - 3 - 2e-6)
    assert set(document["solver"]) == {"name", "status", "gap", "seconds"}
    assert [c["before"] for c in document["changes"]] == [None, None]
    assert document["changes"][0]["after"]["variant"] == "large"


def test_load_changes_the_variant_under_a_cores_limit(config: str) -> None:
    assert [solved(config, "--rate", rate)["plan"][0]["variant"] for rate in ("10", "60")] == ["large", "small"]


def test_rates_by_name(config: str) -> None:
    assert solved(config, "--rate", "toy=7")["rate_rps"] == 7
    done = ipa("solve", config, "--rate", "other=7", "--dry-run")
    assert done.returncode == 2
    assert "no pipeline is called 'other'" in done.stderr


@pytest.mark.parametrize("rate", ["inf", "nan", "-1", "ten", "toy="])
def test_what_is_no_rate(config: str, rate: str) -> None:
    done = ipa("solve", config, f"--rate={rate}", "--dry-run")
    assert done.returncode == 2
    assert "--rate" in done.stderr
    assert "Traceback" not in done.stderr


def test_infeasible_is_exit_3_with_the_limit_in_the_same_document(config: str) -> None:
    document = solved(config, "--rate", "1000", code=3)
    assert document["feasible"] is False
    assert document["plan"] == []
    assert document["objective"] is None
    assert document["reason"].startswith("no feasible plan at 1000 requests/s: limits.cores 3 cannot be met")
    assert document["relaxations"] == [{"limit": "limits.cores", "from": 3.0, "to": 18.0}]
    assert document["unhelpful"] == ["slo.latency"]
    assert document["largest_rate_rps"] == pytest.approx(0.8 * 190)  # one core of `light`, two of `small`


def test_the_largest_rate_is_feasible_when_copied(config: str) -> None:
    largest = solved(config, "--rate", "1000", code=3)["largest_rate_rps"]
    assert solved(config, "--rate", repr(largest))["feasible"]
    assert not solved(config, "--rate", repr(largest * 1.00001), code=3)["feasible"]


def test_infeasible_in_words_names_what_would_help_and_what_would_not(config: str) -> None:
    done = ipa("solve", config, "--rate", "1000", "--dry-run", "--explain")
    assert done.returncode == 3
    assert done.stdout.splitlines()[1:] == [
        "one of these would be enough:",
        "  limits.cores 3 → 18 (+15)",
        "no help alone, however far relaxed: slo.latency",
        "the largest rate within these limits is 152 requests/s",
    ]


@pytest.fixture
def accurate(tmp_path: Path) -> str:
    """`large` would pay from 5 cores on at 20 requests/s: two replicas with two cores, and one for `light`."""
    return str(write(tmp_path, {**LIMITS, "objective": {"accuracy": 30}}))


def test_explain_says_what_binds_and_what_the_next_unit_is_worth(accurate: str) -> None:
    explained = solved(accurate, "--rate", "20", "--explain")["explain"]
    assert list(explained) == ["objective", "binding", "limits", "rate", "largest_rate_rps", "stopped_by"]
    assert explained["binding"] == ["limits.cores"]
    latency, cores = explained["limits"]
    assert (latency["limit"], latency["binds"], latency["first_gain"]) == ("slo.latency", False, None)
    assert (cores["limit"], cores["value"], cores["bound"], cores["slack"]) == ("limits.cores", 2.0, 3.0, 1.0)
    assert (cores["next"]["to"], cores["next"]["gain"]) == (4.0, 0.0)
    assert cores["first_gain"]["to"] == 5.0
    assert cores["first_gain"]["gain"] == pytest.approx(30 * (0.9 - 0.7) * 0.8 - 3)
    assert cores["first_gain"]["plan"][0] == {
        "stage": "detect",
        "variant": "large",
        "hardware": "cpu",
        "cores": 2,
        "batch": 1,
        "replicas": 2,
    }
    assert explained["rate"]["rate_rps"] == pytest.approx(22)
    assert explained["largest_rate_rps"] == pytest.approx(152)
    assert explained["stopped_by"] == ["limits.cores"]


def test_explain_in_words(accurate: str) -> None:
    shown = ipa("solve", accurate, "--rate", "20", "--dry-run", "--explain").stdout
    assert "limits.cores binds" in shown
    assert "limits.cores: +1 gains nothing, the first gain is at 5: +1.8 (" in shown
    assert "(detect: 2×large (cpu, 2 cores, batch 1); accuracy 0.5600 → 0.7200; cores 2 → 5)" in shown
    assert "the largest rate within the limits is 152 requests/s; limits.cores alone would let more through" in shown


def test_explain_is_of_one_plan(config: str) -> None:
    for others in (["--frontier"], [config]):
        done = ipa("solve", config, *others, "--rate", "10", "--dry-run", "--explain")
        assert done.returncode == 2
        assert "--explain is of one plan" in done.stderr


def test_explaining_a_limit_loads_no_solver_library(config: str) -> None:
    code = (
        "import sys; from ipa.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit(any(name in sys.modules for name in ('pyomo', 'pandas', 'matplotlib', 'kubernetes')))"
    )
    for rate in ("60", "1000"):
        command = [sys.executable, "-c", code, "solve", config, "--rate", rate, "--dry-run", "--explain"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_exit_code_tells_a_difference(config: str) -> None:
    assert ipa("solve", config, "--rate", "10", "--dry-run", "--exit-code").returncode == 10
    assert ipa("solve", config, "--rate", "10", "--exit-code").returncode == 2


def test_without_a_rate_something_must_run(config: str) -> None:
    done = ipa("solve", config, "--dry-run")
    assert done.returncode == 2
    assert "nothing runs for pipeline 'toy'" in done.stderr


def test_policies_agree_and_unknown_ones_are_named(config: str) -> None:
    exact = [policy for policy in POLICIES if policy not in BASELINES]
    plans = [solved(config, "--rate", "30", "--policy", policy)["plan"] for policy in exact]
    assert all(plan == plans[0] for plan in plans)
    done = ipa("solve", config, "--rate", "1", "--dry-run", "--policy", "magic")
    assert done.returncode == 2
    assert "'magic' is not known: one of auto, label, milp, exhaustive, fa2-low, fa2-high, rim, static" in done.stderr


@pytest.mark.parametrize("command", ["solve", "adapt"])
def test_the_help_names_every_policy(command: str) -> None:
    shown = ipa(command, "--help").stdout
    assert [name for name in POLICIES if name not in shown] == []


def test_yaml_and_table(config: str) -> None:
    done = ipa("solve", config, "--rate", "10", "--dry-run", "--output", "yaml")
    assert yaml.safe_load(done.stdout)["plan"][0]["variant"] == "large"
    table = ipa("solve", config, "--rate", "10", "--dry-run").stdout
    assert "toy at 10 requests/s" in table
    assert "nothing → 1×large (cpu, 2 cores, batch 1)" in table


def test_a_config_with_many_problems_lists_them_all(tmp_path: Path) -> None:
    path = write(tmp_path, {"slo": {"latency": "5"}, "colour": "red"})
    done = ipa("solve", str(path), "--rate", "1", "--dry-run")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"ipa: {path}: 2 problem(s)",
        "  slo.latency: '5' is not a duration: write a number and a unit, as in 600ms, 6.89s or 2m",
        "  colour: unknown key",
    ]
