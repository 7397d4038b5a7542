"""Every policy against the oracle: the same feasibility, the same objective, and the tie-break where it is promised.

A baseline is held to the best of the plans that have what it fixes.
"""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipa.domain import Limits, Objective, Pipeline
from ipa.options import price
from ipa.policy import POLICIES, Solution
from ipa.policy.fixed import BASELINES
from tests.brute_force import Best, baseline, best_plan
from tests.pipelines import pipelines, rates, two_stages, with_policy

EXACT = [name for name in POLICIES if name not in BASELINES]


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_agrees_with_brute_force(name: str, pipeline: Pipeline, rate_rps: float) -> None:
    solution = POLICIES[name](price(pipeline, rate_rps))
    best = best_plan(pipeline, rate_rps)
    assert_agree(solution, best)
    if name == "exhaustive" and solution.evaluation is not None and best is not None:
        assert isclose(solution.evaluation.objective, best.objective, abs_tol=2e-9)


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), rate_rps=rates)
def test_a_baseline_agrees_with_brute_force(name: str, data: st.DataObject, rate_rps: float) -> None:
    pipeline = data.draw(with_policy(name))
    problem = price(pipeline, rate_rps)
    solution = POLICIES[name](problem)
    best = best_plan(pipeline, rate_rps, baseline(name, pipeline))
    assert_agree(solution, best)
    assert (solution.solver, solution.gap) == (name, 0.0 if best else None)
    if solution.evaluation is not None:
        chosen = [stage.allocation(k) for stage, k in zip(problem.stages, solution.evaluation.choice, strict=True)]
        found = solution.evaluation.plan.allocations
        assert [(a.server, a.batch) for a in chosen] == [(a.server, a.batch) for a in found]


def assert_agree(solution: Solution, best: Best | None) -> None:
    assert (solution.evaluation is None) == (best is None)
    if solution.evaluation is not None and best is not None:
        assert solution.evaluation.feasible
        tolerance = 1e-6 * max(1.0, abs(best.objective))
        assert abs(solution.evaluation.objective - best.objective) <= tolerance


@pytest.mark.parametrize("name", EXACT)
class TestTwoStages:
    def test_light_load_takes_the_accurate_variants(self, name: str) -> None:
        best = POLICIES[name](price(two_stages(), 5.0)).evaluation
        assert best is not None
        assert [a.variant for a in best.plan.allocations] == ["large", "heavy"]
        assert best.accuracy == pytest.approx(0.90 * 0.95)

    def test_a_cores_limit_makes_the_variant_change_with_the_load(self, name: str) -> None:
        tight = two_stages(Limits(cores=3))
        chosen = [
            [a.variant for a in evaluation.plan.allocations]
            for rate_rps in (10.0, 60.0, 150.0)
            if (evaluation := POLICIES[name](price(tight, rate_rps)).evaluation)
        ]
        assert chosen == [["large", "heavy"], ["small", "heavy"], ["small", "light"]]

    def test_an_accuracy_floor_overrules_cost(self, name: str) -> None:
        dear = two_stages(Limits(accuracy=0.85), objective=Objective(0.0, 1.0))
        best = POLICIES[name](price(dear, 40.0)).evaluation
        assert best is not None
        assert best.accuracy >= 0.85

    def test_no_plan_is_a_value_with_a_reason(self, name: str) -> None:
        solution = POLICIES[name](price(two_stages(slo_s=0.001), 5.0))
        assert solution.evaluation is None
        assert solution.reason == "no feasible plan"

    def test_rate_zero_keeps_one_replica_at_batch_one(self, name: str) -> None:
        best = POLICIES[name](price(two_stages(), 0.0)).evaluation
        assert best is not None
        assert [(a.batch, a.replicas) for a in best.plan.allocations] == [(1, 1), (1, 1)]
