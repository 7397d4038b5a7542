"""`ipa solve --explain` in words, and what is said where there is no plan."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ipa.domain import Hardware, Limits, Objective, Pipeline
from ipa.options import price, price_list
from ipa.policy import auto
from ipa.policy.explain import explain
from ipa.policy.infeasible import diagnose
from ipa.policy.overload import largest_rate_rps
from ipa.report.amounts import amount, bound, difference
from ipa.report.console import stdout_console
from ipa.report.explain import document, sentences, table
from ipa.report.output import finite
from ipa.report.solve import document as solve_document
from ipa.report.solve import shortfall, shortfall_words
from tests.pipelines import two_stages


def solved(pipeline: Pipeline, rate_rps: float) -> dict[str, Any]:
    problem = price(pipeline, rate_rps)
    explanation = explain(pipeline, rate_rps)
    assert explanation is not None
    return {**solve_document(problem, auto.solve(problem), "", (), ()), "explain": document(explanation)}


def unmet(pipeline: Pipeline, rate_rps: float) -> list[str]:
    problem = price(pipeline, rate_rps)
    diagnosis = diagnose(problem)
    found = solve_document(problem, auto.solve(problem), diagnosis.reason, (), diagnosis.relaxations)
    return shortfall_words({**found, **shortfall(diagnosis, largest_rate_rps(price_list(pipeline)))})


def test_what_binds_where_the_first_gain_is_and_what_stops_the_rate() -> None:
    assert sentences(solved(two_stages(Limits(cores=2), slo_s=0.04), 10.0)) == [
        "slo.latency binds",
        "slo.latency: +10 ms gains nothing, the first gain is at 55 ms: +0.55 "
        "(detect: 1×large (cpu, 1 core, batch 1); classify: 1×light (cpu, 1 core, batch 1); accuracy 0.6650 → 0.7200)",
        "10 % more load (11 requests/s) costs nothing",
        "the largest rate within the limits is 100 requests/s; "
        "each of slo.latency and limits.cores alone would let more through",
    ]


def test_more_load_that_costs_and_more_load_that_cannot_be_served() -> None:
    dearer = sentences(solved(two_stages(Limits(cores=4)), 42.0))
    assert "10 % more load (46.2 requests/s) costs 0.9 of the objective (detect: 1×small" in " ".join(dearer)
    assert "10 % more load (132 requests/s) has no feasible plan within the limits" in sentences(
        solved(two_stages(Limits(cores=2)), 120.0)
    )


def test_no_limit_binds_and_none_bounds_the_rate() -> None:
    found = solved(two_stages(), 10.0)
    assert sentences(found) == [
        "no limit binds: without any one of them the best plan would be no better",
        "10 % more load (11 requests/s) costs nothing",
        "no limit bounds the rate that can be served",
    ]
    assert json.loads(json.dumps(finite(found)))["explain"]["largest_rate_rps"] is None


def test_a_plan_that_is_not_the_best_is_said_to_be_none() -> None:
    found = solved(two_stages(), 10.0)
    found["objective"] -= 0.25
    assert sentences(found)[0] == "what is explained is the best plan: the one above has an objective 0.25 lower"


def test_every_limit_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    limits = Limits(cores=3, cost_per_hour=1.0, accuracy=0.5, score=0.5, replicas=4)
    cpu = Hardware("cpu", price_per_core_hour=0.04, capacity=9)
    found = solved(replace(two_stages(limits), hardware={"cpu": cpu}), 60.0)
    table(found, stdout_console())
    shown = capsys.readouterr().out
    for row in found["explain"]["limits"]:
        assert row["limit"] in shown
    for step in ("+10 ms", "+0.1 per hour", "−1 point", "+1 "):
        assert step in shown


def test_what_would_be_enough_in_peoples_units() -> None:
    assert unmet(two_stages(Limits(cores=2, accuracy=0.8)), 40.0)[1:] == [
        "one of these would be enough:",
        "  limits.cores 2 → 3 (+1)",
        "  limits.accuracy 0.8 → 0.665 (−13.5 points)",
        "no help alone, however far relaxed: slo.latency",
        "the largest rate within these limits is 21.0526 requests/s",
    ]


def test_limits_that_only_give_way_together_and_rates_that_never_fit() -> None:
    said = unmet(two_stages(Limits(cores=2, accuracy=0.8), slo_s=0.02), 120.0)
    assert said[1:] == [
        "no help alone, however far relaxed: slo.latency, limits.cores, limits.accuracy",
        "within these limits no rate at all can be served",
    ]


def test_a_larger_rate_that_fits_is_explained_by_the_batches() -> None:
    pipeline = two_stages(slo_s=0.1, objective=Objective(1.0))
    pipeline = replace(pipeline, measurements=tuple(m for m in pipeline.measurements if m.batch == 4))
    said, why = "within these limits larger rates can be served", "at 10 requests/s batches fill too slowly"
    assert unmet(pipeline, 10.0)[-1] == f"{said} (however large): {why}"
    tight = replace(pipeline, limits=Limits(cores=2))
    assert unmet(tight, 10.0)[-1] == f"{said} (up to 125 requests/s): {why}"


def test_replicas_are_whole_numbers_as_the_config_wants_them() -> None:
    pipeline = two_stages(Limits(replicas=1))
    row = solved(pipeline, 40.0)["explain"]["limits"][1]
    assert (row["limit"], row["binds"]) == ("limits.replicas", True)
    numbers = (row["value"], row["bound"], row["slack"], row["next"]["to"], row["first_gain"]["to"])
    assert json.dumps(numbers) == "[1, 1, 0, 2, 2]"
    problem = price(pipeline, 500.0)
    found = solve_document(problem, auto.solve(problem), "", (), diagnose(problem).relaxations)
    assert json.dumps(found["relaxations"]) == '[{"limit": "limits.replicas", "from": 1, "to": 4}]'


@pytest.mark.parametrize(
    ("key", "value", "change", "shown"),
    [
        ("slo.latency", 0.34731, 0.04731, ("347.4 ms", "347.31 ms", "+47.31 ms")),
        ("limits.cores", 12345.0, 45.0, ("12345", "12345", "+45")),
        ("hardware.gpu.capacity", 3.0, 1.0, ("3", "3", "+1")),
        ("limits.cost_per_hour", 1.00001, 0.1, ("1.001", "1.00001", "+0.1 per hour")),
        ("limits.accuracy", 0.66666, -0.01, ("0.6666", "0.66666", "−1 point")),
        ("limits.score", 1.66666, -0.123456, ("1.666", "1.66666", "−12.35 points")),
    ],
)
def test_amounts_are_rounded_to_the_side_on_which_they_hold(
    key: str, value: float, change: float, shown: tuple[str, str, str]
) -> None:
    assert (amount(key, value), bound(key, value), difference(key, change)) == shown
