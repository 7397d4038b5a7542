"""Diagnosis: a relaxation it names is enough, and nothing smaller is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings

from ipa.domain import Hardware, Limits, Pipeline
from ipa.options import price
from ipa.policy.infeasible import Relaxation, diagnose
from tests.brute_force import best_plan
from tests.pipelines import pipelines, rates, two_stages


def relaxed(pipeline: Pipeline, relaxation: Relaxation, by: float) -> Pipeline:
    """The pipeline with one limit moved to the relaxation's value, and `by` further out."""
    limit, to = relaxation.limit, relaxation.to - by if relaxation.limit.floor else relaxation.to + by
    if limit.name == "latency":
        return replace(pipeline, slo=replace(pipeline.slo, latency_s=to))
    if limit.name.startswith("capacity."):
        name = limit.name.removeprefix("capacity.")
        hardware: dict[str, Hardware] = {**pipeline.hardware, name: replace(pipeline.hardware[name], capacity=to)}
        return replace(pipeline, hardware=hardware)
    moved: dict[str, Any] = {limit.name: to}
    return replace(pipeline, limits=replace(pipeline.limits, **moved))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2), rate_rps=rates)
def test_each_relaxation_is_sufficient_and_smallest(pipeline: Pipeline, rate_rps: float) -> None:
    assume(best_plan(pipeline, rate_rps) is None)
    for relaxation in diagnose(price(pipeline, rate_rps)).relaxations:
        assert best_plan(relaxed(pipeline, relaxation, 1e-7), rate_rps) is not None
        assert best_plan(relaxed(pipeline, relaxation, -1e-4 * max(1.0, abs(relaxation.to))), rate_rps) is None


def test_names_the_limit_that_no_plan_meets() -> None:
    diagnosis = diagnose(price(two_stages(slo_s=0.012), 5.0))
    asked = "slo.latency 0.012 cannot be met (the least is 0.015) whatever the other limits"
    assert diagnosis.reason == f"no feasible plan at 5 requests/s: {asked}"
    assert [(r.limit.key, r.to) for r in diagnosis.relaxations] == [("slo.latency", 0.015)]


def test_names_each_limit_that_could_give_way() -> None:
    diagnosis = diagnose(price(two_stages(Limits(cores=2, accuracy=0.8)), 40.0))
    found = {r.limit.key: r.to for r in diagnosis.relaxations}
    assert found == {"limits.cores": 3.0, "limits.accuracy": 0.70 * 0.95}


def test_says_so_when_no_single_limit_helps() -> None:
    diagnosis = diagnose(price(two_stages(Limits(cores=2, accuracy=0.8), slo_s=0.02), 120.0))
    assert diagnosis.relaxations == ()
    assert diagnosis.reason.endswith("cannot be met together, and relaxing one of them alone does not help")


def test_rate_zero_without_a_batch_of_one_says_what_is_missing() -> None:
    pipeline = two_stages()
    rows = tuple(m for m in pipeline.measurements if m.batch > 1)
    diagnosis = diagnose(price(replace(pipeline, measurements=rows), 0.0))
    assert diagnosis.relaxations == ()
    assert "batch of 1" in diagnosis.reason
