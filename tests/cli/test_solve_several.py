"""`ipa solve` with several configs as a user runs it: one budget, rates and weights by name, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ipa.adapters.files import load_config
from ipa.cli.planning import Asked, apply_all
from ipa.domain import Allocation, Plan
from ipa.errors import ServingError
from ipa.ports import Outcome
from tests.cli.test_solve_frontier import refused, run
from tests.config.test_config import write
from tests.world import World


def pipeline(folder: Path, name: str, **changes: Any) -> str:
    (folder / name).mkdir()
    objective = {"accuracy": 10, "cost": 0.1}
    return str(write(folder / name, {"name": name, "objective": objective, **changes}))


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    return [pipeline(tmp_path, "a"), pipeline(tmp_path, "b")]


def solved(*words: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*words, "--dry-run", "--output", "json", code=code).stdout)
    return document


def test_the_document_holds_every_key(two: list[str]) -> None:
    document = solved(*two, "--rate", "10", "--cores", "5", "--weight", "b=2")
    assert list(document) == ["pipelines", "cost_cores", "reason", "cores", "objective", "next_core"]
    assert (document["cores"], document["cost_cores"], document["reason"]) == (5, 5, "the best split of 5 cores")
    a, b = document["pipelines"]
    assert [p["pipeline"] for p in (a, b)] == ["a", "b"]
    assert [p["weight"] for p in (a, b)] == [1, 2]
    assert [p["cost_cores"] for p in (a, b)] == [2, 3]
    assert [p["cut"] for p in (a, b)] == [True, False]
    assert a["alone"]["cost_cores"] == 3
    assert b["alone"] == {key: b[key] for key in ("objective", "accuracy", "cost_cores")}
    assert document["objective"] == pytest.approx(a["objective"] + 2 * b["objective"])
    assert document["next_core"] == {"cores": 1, "pipeline": "a", "gain": pytest.approx(10 * (0.72 - 0.56) - 0.1)}
    assert set(a) > {"rate_rps", "feasible", "plan", "solver", "changes", "relaxations"}
    assert [change["before"] for change in a["changes"]] == [None, None]


def test_without_a_budget_each_keeps_to_its_own_limits(two: list[str]) -> None:
    document = solved(*two, "--rate", "10")
    assert [p["cost_cores"] for p in document["pipelines"]] == [3, 3]
    assert (document["cores"], document["next_core"], document["cost_cores"]) == (None, None, 6)
    assert solved(*two, "--rate", "10", "--policy", "milp")["objective"] == pytest.approx(document["objective"])


def test_without_a_budget_a_baseline_plans_each_and_says_what_it_fixes_where_it_cannot(tmp_path: Path) -> None:
    configs = [pipeline(tmp_path, "a"), pipeline(tmp_path, "b", limits={"cores": 2})]
    words = (*configs, "--rate", "10", "--policy")
    assert [p["cost_cores"] for p in solved(*words, "fa2-low")["pipelines"]] == [2, 2]
    document = solved(*words, "fa2-high", code=3)
    assert document["reason"].startswith("b: no feasible plan at 10 requests/s: limits.cores 2 cannot be met")
    assert document["reason"].endswith("(given what fa2-high fixes)")


def test_a_rate_by_name_comes_before_the_rate_for_all(two: list[str]) -> None:
    rates = [p["rate_rps"] for p in solved(*two, "--rate", "b=7", "--rate", "10")["pipelines"]]
    assert rates == [10, 7]


def test_the_table_says_who_is_cut_and_what_a_core_would_buy(two: list[str]) -> None:
    shown = run(*two, "--rate", "10", "--cores", "5", "--dry-run").stdout
    assert "5 cores for all" in shown
    assert "cut by the budget: b from 3 to 2 cores (accuracy 0.7200 → 0.5600)" in shown
    assert "one more core would buy +1.5, most of it for b" in shown
    assert "  a: detect 1×large (cpu, 2 cores, batch 1), classify 1×light (cpu, 1 core, batch 1)" in shown


def test_a_budget_for_one_config_is_a_limit_beside_its_own(tmp_path: Path) -> None:
    config = pipeline(tmp_path, "a", limits={"cores": 9})
    assert solved(config, "--rate", "10")["cost_cores"] == 3
    assert solved(config, "--rate", "10", "--cores", "2")["cost_cores"] == 2
    assert solved(config, "--rate", "1000", "--cores", "20", code=3)["relaxations"][0]["from"] == 9


def test_too_few_cores_is_exit_3_with_the_least_of_each(two: list[str]) -> None:
    document = solved(*two, "--rate", "10", "--cores", "3", code=3)
    assert document["reason"] == "3 cores are too few: the least are a 2 + b 2 = 4"
    assert (document["cost_cores"], document["objective"]) == (None, None)
    assert document["next_core"] == {"cores": 1, "pipeline": None, "gain": None}
    assert [p["feasible"] for p in document["pipelines"]] == [False, False]
    assert [p["plan"] for p in document["pipelines"]] == [[], []]
    assert document["reason"] in run(*two, "--rate", "10", "--cores", "3", "--dry-run", code=3).stdout


@pytest.mark.parametrize("budget", [[], ["--cores", "100"]])
def test_a_pipeline_that_cannot_be_served_is_named(tmp_path: Path, budget: list[str]) -> None:
    configs = [pipeline(tmp_path, "a"), pipeline(tmp_path, "b", limits={"cores": 3})]
    document = solved(*configs, "--rate", "a=10", "--rate", "b=1000", *budget, code=3)
    assert document["reason"].startswith("b: no feasible plan at 1000 requests/s: limits.cores 3 cannot be met")
    assert document["cost_cores"] is None
    assert document["pipelines"][1]["relaxations"][0]["limit"] == "limits.cores"


def test_exit_code_tells_a_difference_of_any(two: list[str]) -> None:
    run(*two, "--rate", "10", "--dry-run", "--exit-code", code=10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "c=1"], "--rate 'c=1': no pipeline is called 'c', only 'a', 'b'"),
        (["--rate", "10", "--weight", "c=1"], "--weight 'c=1': no pipeline is called 'c', only 'a', 'b'"),
        (["--rate", "10", "--weight", "2"], "--weight '2': it is for one pipeline, write NAME=W"),
        (["--rate", "10", "--weight", "a=0"], "a weight is a finite number above 0"),
        (["--rate", "10", "--weight", "a=inf"], "a weight is a finite number above 0"),
        (["--rate", "10", "--weight", "a=x"], "'x' is not a weight"),
        (["--rate", "10", "--cores", "-1"], "--cores -1: a budget is a finite number of cores, at least 0"),
        (["--rate", "10", "--cores", "5", "--policy", "milp"], "--policy milp: several pipelines share --cores by"),
        (["--rate", "10", "--frontier"], "--frontier is of one pipeline"),
        (["--rate", "a=10"], "nothing runs for pipeline 'b'"),
    ],
)
def test_what_is_refused(two: list[str], words: list[str], said: str) -> None:
    assert said in refused(*two, *words, "--dry-run")


def test_two_pipelines_of_the_same_name_are_refused(tmp_path: Path) -> None:
    config = pipeline(tmp_path, "a")
    assert "are both called 'a'" in refused(config, config, "--rate", "10", "--dry-run")


# --- applying ----------------------------------------------------------------------------------------------


class Stuck(World):
    def apply(self, plan: Plan) -> Outcome:
        return Outcome(False, 0.0, "no room")


def plan(replicas: int) -> Plan:
    return Plan((Allocation("detect", "small", "cpu", 1, 1, replicas),))


def running(config: str, cluster: World) -> Asked:
    return Asked(load_config(Path(config)), 10.0, cluster)


def test_who_frees_cores_is_changed_before_who_takes_them(two: list[str]) -> None:
    order: list[Plan] = []

    class Seen(World):
        def apply(self, plan: Plan) -> Outcome:
            order.append(plan)
            return super().apply(plan)

    grows, shrinks = running(two[0], Seen({}, plan(1))), running(two[1], Seen({}, plan(5)))
    apply_all([(grows, plan(4)), (shrinks, plan(2))])
    assert order == [plan(2), plan(4)]


def test_a_plan_that_is_not_applied_stops_the_rest_and_says_what_was_done(two: list[str]) -> None:
    stuck, done = running(two[0], Stuck({}, plan(2))), running(two[1], World({}, plan(5)))
    with pytest.raises(ServingError, match=r"^a: the plan was not applied: no room \(applied before it: b\)$"):
        apply_all([(stuck, plan(4)), (done, plan(2))])
