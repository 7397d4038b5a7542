"""Overload: the largest rate that fits, against a fine scan of rates by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from ipa.domain import Limits, Pipeline
from ipa.policy import exhaustive
from ipa.policy.overload import serve_most
from tests.brute_force import best_plan
from tests.pipelines import pipelines, two_stages


def test_takes_the_plan_of_the_largest_rate_within_the_cores() -> None:
    most = serve_most(two_stages(Limits(cores=2)), 500.0, exhaustive.solve)
    assert most is not None
    assert most.rate_rps == pytest.approx(4 / 0.032)  # small at batch 4 on its one core
    assert most.solution.evaluation is not None
    assert [a.variant for a in most.solution.evaluation.plan.allocations] == ["small", "heavy"]


def test_none_where_no_rate_helps() -> None:
    assert serve_most(two_stages(slo_s=0.001), 50.0, exhaustive.solve) is None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2))
def test_no_larger_rate_is_feasible(pipeline: Pipeline) -> None:
    rate_rps = 60.0
    assume(best_plan(pipeline, rate_rps) is None)
    most = serve_most(pipeline, rate_rps, exhaustive.solve)
    found = most.rate_rps if most else 0.0
    for larger in np.linspace(found, rate_rps, 40)[1:]:
        assert best_plan(pipeline, float(larger)) is None
