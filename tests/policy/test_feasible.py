"""Is there a plan: the same answer as the oracle, also where labels are too many for one question."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from ipa.domain import Limits, Pipeline
from ipa.options import price, price_list
from ipa.policy import milp
from ipa.policy.auto import any_plan
from ipa.policy.overload import largest_rate_rps
from tests.brute_force import best_plan
from tests.pipelines import pipelines, random_chain, rates


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_agrees_with_brute_force(pipeline: Pipeline, rate_rps: float) -> None:
    found = any_plan(price(pipeline, rate_rps))
    assert (found is not None) == (best_plan(pipeline, rate_rps) is not None)
    assert found is None or found.feasible


@pytest.mark.parametrize(("cores", "feasible"), [(139, False), (140, True)])
def test_is_proven_where_labels_are_too_many_for_the_problem_itself(cores: int, feasible: bool) -> None:
    """Ten stages: accuracy, latency and cores in conflict; 140 cores is the least."""
    pipeline = random_chain(0, 10, 10, limits=Limits(cores=cores, accuracy=0.2), tightness=2.0)
    assert (any_plan(price(pipeline, 100.0)) is not None) == feasible


def test_the_integer_program_agrees_at_the_edge_of_what_six_stages_can_carry() -> None:
    pipeline = random_chain(0, 6, 8, limits=Limits(cores=120, replicas=40, accuracy=0.2))
    most_rps = largest_rate_rps(price_list(pipeline))
    for share, feasible in ((1.0, True), (1.0001, False), (1.1, False)):
        problem = price(pipeline, share * most_rps)
        assert (any_plan(problem) is not None) == feasible
        assert (milp.solve(problem).evaluation is not None) == feasible
