"""Diagnosis: a relaxation it names is enough, and nothing smaller is."""

from __future__ import annotations

import re
from dataclasses import replace
from math import inf

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ipa.domain import Limits, Pipeline
from ipa.evaluation import limits_of
from ipa.options import price
from ipa.policy import auto
from ipa.policy.infeasible import diagnose
from ipa.policy.milp import optimise
from ipa.policy.relaxation import moved, value_of
from tests.brute_force import best_plan
from tests.pipelines import pipelines, random_chain, rates, two_stages
from tests.policy.bounds import outwards, with_bound, without


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2), rate_rps=rates)
def test_each_relaxation_is_sufficient_and_smallest(pipeline: Pipeline, rate_rps: float) -> None:
    assume(best_plan(pipeline, rate_rps) is None)
    for relaxation in diagnose(price(pipeline, rate_rps)).relaxations:
        limit, to = relaxation.limit, relaxation.to
        nearer = outwards(limit, to, -1e-6 * max(1.0, abs(to)))
        assert best_plan(with_bound(pipeline, limit, to), rate_rps) is not None
        assert best_plan(with_bound(pipeline, limit, nearer), rate_rps) is None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2), rate_rps=st.floats(0.01, 300.0))
def test_every_limit_either_helps_alone_or_is_named_unhelpful(pipeline: Pipeline, rate_rps: float) -> None:
    assume(best_plan(pipeline, rate_rps) is None)
    problem = price(pipeline, rate_rps)
    diagnosis = diagnose(problem)
    helpful = [limit for limit in limits_of(problem) if best_plan(without(pipeline, limit), rate_rps) is not None]
    assert [r.limit for r in diagnosis.relaxations] == helpful
    assert [limit for limit in limits_of(problem) if limit not in helpful] == list(diagnosis.unhelpful)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1000))
def test_the_integer_program_for_the_limited_quantity_finds_the_same_relaxations(seed: int) -> None:
    limits = Limits(cores=20, accuracy=0.5, replicas=9)
    problem = price(random_chain(seed, 3, 5, limits=limits, tightness=2.0), 150.0)
    assume(auto.solve(problem).evaluation is None)
    diagnosis = diagnose(problem)
    found = {}
    for limit in limits_of(problem):
        lifted = moved(problem, limit, -inf if limit.floor else inf)
        best = optimise(lifted, limit.name, maximise=limit.floor)
        found[limit] = best and value_of(problem, limit, best)
    assert {r.limit: r.to for r in diagnosis.relaxations} == pytest.approx({k: v for k, v in found.items() if v})
    assert list(diagnosis.unhelpful) == [limit for limit, value in found.items() if value is None]


def test_what_the_reason_shows_is_enough_when_copied() -> None:
    """0.7 × 0.95 × 1/3 and the like: a ceiling is shown rounded up, a floor rounded down."""
    limits = Limits(cores=2, accuracy=0.8)
    pipeline = two_stages(limits, slo_s=0.0301234567)
    reason = diagnose(price(pipeline, 40.0)).reason
    assert "limits.accuracy 0.8 cannot be met (the most is 0.665)" in reason
    slow = replace(pipeline, latency=replace(pipeline.latency, margin=1 / 3), slo=replace(pipeline.slo, latency_s=0.01))
    shown = re.search(r"slo.latency 0.01 s cannot be met \(the least is (\S+) s\)", diagnose(price(slow, 5.0)).reason)
    assert shown is not None
    easy = replace(slow, limits=Limits())
    assert best_plan(replace(easy, slo=replace(easy.slo, latency_s=float(shown[1]))), 5.0) is not None
    assert best_plan(replace(easy, slo=replace(easy.slo, latency_s=float(shown[1]) - 1e-6)), 5.0) is None


def test_names_the_limit_that_no_plan_meets() -> None:
    diagnosis = diagnose(price(two_stages(slo_s=0.012), 5.0))
    asked = "slo.latency 0.012 s cannot be met (the least is 0.015 s) whatever the other limits"
    assert diagnosis.reason == f"no feasible plan at 5 requests/s: {asked}"
    assert [(r.limit.key, r.to) for r in diagnosis.relaxations] == [("slo.latency", 0.015)]


def test_names_each_limit_that_could_give_way() -> None:
    diagnosis = diagnose(price(two_stages(Limits(cores=2, accuracy=0.8)), 40.0))
    found = {r.limit.key: r.to for r in diagnosis.relaxations}
    assert found == {"limits.cores": 3.0, "limits.accuracy": 0.70 * 0.95}


def test_says_so_when_no_single_limit_helps() -> None:
    diagnosis = diagnose(price(two_stages(Limits(cores=2, accuracy=0.8), slo_s=0.02), 120.0))
    assert diagnosis.relaxations == ()
    assert [limit.key for limit in diagnosis.unhelpful] == ["slo.latency", "limits.cores", "limits.accuracy"]
    assert diagnosis.reason.endswith("cannot be met together, and relaxing one of them alone does not help")


def test_rate_zero_without_a_batch_of_one_says_what_is_missing() -> None:
    pipeline = two_stages()
    rows = tuple(m for m in pipeline.measurements if m.batch > 1)
    diagnosis = diagnose(price(replace(pipeline, measurements=rows), 0.0))
    assert diagnosis.relaxations == ()
    assert "batch of 1" in diagnosis.reason


def test_a_problem_with_a_plan_is_said_to_have_one_and_nothing_is_relaxed() -> None:
    """Who found none had too little time: the search for a relaxation would never end."""
    diagnosis = diagnose(price(two_stages(), 10.0))
    assert diagnosis.relaxations == ()
    assert diagnosis.reason == "no plan found at 10 requests/s in the time given, though there is one"
