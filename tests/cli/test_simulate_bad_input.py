"""`ipa simulate` where there is no plan, no request or no room, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import PIPELINE, TRACE, Simulate
from tests.config.test_config import write


def test_an_slo_that_no_plan_meets_is_exit_3_and_the_reason_is_in_the_document(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "slo": {"latency": "1ms"}})
    done = simulate("--trace", TRACE, "--policy", "auto,static-peak", "--output", "json", "--save", "run")
    assert done.code == 3
    document = json.loads(done.out)
    assert document["policies"] == []
    assert "auto: no feasible plan" in document["reason"]
    assert "static-peak: no feasible plan" in document["reason"]
    assert "requests/s: slo.latency 0.001 s cannot be met" in document["reason"]
    assert document["reason"] in done.err
    assert json.loads(Path("run/simulation.json").read_text())["reason"] == document["reason"]


def test_who_has_a_plan_is_shown_beside_who_has_none(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "slo": {"latency": "20ms"}})
    done = simulate("--trace", TRACE, "--policy", "fa2-high,fa2-low", "--output", "json")
    assert done.code == 3
    assert [row["policy"] for row in done.rows] == ["fa2-low"]
    assert "fa2-high: no feasible plan" in done.err
    assert "(given what fa2-high fixes)" in done.err


QUIET = [
    ("no request at all", "0 0 0 0", 0),
    ("gaps", "0 0 5 0 0 0 9 0", 14),
    ("one second", "7", 7),
]


@pytest.mark.parametrize(("sentence", "counts", "requests"), QUIET)
def test_quiet_traces_are_simulated_by_all(simulate: Simulate, sentence: str, counts: str, requests: int) -> None:
    Path("trace.txt").write_text(counts)
    everyone = "auto,fa2-low,static-mean,static-peak,hpa,kpa,oracle"
    done = simulate("--trace", "trace.txt", "--policy", everyone, "--output", "json")
    assert done.code == 0, done.err
    assert [row["requests"] for row in done.rows] == [requests] * 7, sentence
    assert all(row["answered"] == requests and row["core_hours"] > 0 for row in done.rows)
    assert all((row["slo_share"] is None) == (requests == 0) for row in done.rows)


def test_a_load_beyond_any_capacity_is_dropped_and_counted(simulate: Simulate) -> None:
    done = simulate("--trace", "constant:20000x5s", "--policy", "auto,hpa,oracle", "--output", "json")
    assert done.code == 0
    for row in done.rows:
        assert row["requests"] == 100_000 == row["answered"] + row["dropped"]
        assert row["dropped"] > 90_000


def test_a_queue_of_one(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "router": {"queue_limit": 1}})
    (row,) = simulate("--trace", "gamma:20:cv4x20s", "--output", "json").rows
    assert row["dropped"] > 0
    assert row["requests"] == row["answered"] + row["dropped"]


def test_a_graph_with_a_branch_and_drawn_service_times(simulate: Simulate) -> None:
    stages = [
        {"name": "detect"},
        {"name": "classify", "visits": 0.25, "when": {"output": "unsure", "equals": True}},
    ]
    write(Path(), {**PIPELINE, "stages": stages})
    (row,) = simulate("--trace", "constant:10x100s", "--policy", "fa2-low", "--output", "json").rows
    assert row["answered"] == 1000
    assert row["accuracy"] == pytest.approx(0.7 * (0.75 + 0.25 * 0.8), abs=0.01)
    drawn = simulate("--trace", TRACE, "--service", "quantiles", "--output", "json")
    assert drawn.code == 0
    assert drawn.out != simulate("--trace", TRACE, "--output", "json").out


# --- refusals ------------------------------------------------------------------------------------------------------

OTHER_PLAN = "[{stage: detect, variant: huge, hardware: cpu, cores: 1, batch: 1, replicas: 1}]"
REFUSED = [
    (["--trace", "constant:20x0s"], "0s must be longer than 0"),
    (["--trace", "empty.txt"], "holds no counts; at least one second is needed"),
    (["--trace", "nan.txt"], "second 1: count nan must be a whole number"),
    (["--trace", "none.txt"], "none.txt: No such file"),
    (["--trace", "constant:1e9x1h"], "at most 100,000,000 can be made"),
    (["--trace", TRACE, "--policy", "best"], "--policy 'best' is not known: one of auto"),
    (["--trace", TRACE, "--policy", "auto,best"], "--policy 'best' is not known: one of auto"),
    (["--trace", TRACE, "--policy", "auto,rim"], "policy rim: the config has no `policies.rim`"),
    (["--trace", TRACE, "--policy", "auto,,hpa"], "--policy 'auto,,hpa': an entry between commas is empty"),
    (["--trace", TRACE, "--policy", ""], "--policy '': an entry between commas is empty"),
    (["--trace", TRACE, "--policy", "auto,hpa,auto"], "--policy 'auto,hpa,auto': 'auto' is named twice"),
    (["--trace", TRACE, "--interval", "0s"], "--interval"),
    (["--trace", TRACE, "--interval", "10"], "--interval"),
    (["--trace", TRACE, "--interval", "10s,,5s"], "--interval '10s,,5s': an entry between commas is empty"),
    (["--trace", TRACE, "--plan", "other.yaml"], "huge"),
    (["--trace", TRACE, "--plan", "none.yaml"], "none.yaml: cannot be read"),
    (["--trace", TRACE, "--plan", "other.yaml", "--policy", "auto"], "leave --policy, --interval and --predictor out"),
    (["--trace", TRACE, "--plan", "other.yaml", "--policy", ""], "leave --policy, --interval and --predictor out"),
    (["--trace", TRACE, "--plan", "other.yaml", "--interval", "5s"], "leave --policy, --interval and --predictor out"),
    (["--trace", TRACE, "--seeds", "0"], "--seeds"),
    (["--trace", TRACE, "--seed", "-1"], "--seed"),
    (["--trace", TRACE, "--service", "max"], "--service"),
    (["--trace", TRACE, "--output", "xml"], "--output"),
    ([], "--trace"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=lambda value: " ".join(value) if type(value) is list else "")
def test_what_is_wrong_is_named_before_anything_is_simulated(simulate: Simulate, words: list[str], said: str) -> None:
    Path("empty.txt").write_text("")
    Path("nan.txt").write_text("1 nan 3")
    Path("other.yaml").write_text(OTHER_PLAN)
    done = simulate(*words, "--save", "run")
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert not Path("run/simulation.json").exists()


def test_a_request_that_fans_out_is_refused(simulate: Simulate) -> None:
    write(Path(), {**PIPELINE, "stages": [{"name": "detect"}, {"name": "classify", "visits": 2.5}]})
    done = simulate("--trace", TRACE)
    assert done.code == 2
    assert "stage 'classify': 2.5 visits where what comes before has 1: a request that fans out" in done.err
