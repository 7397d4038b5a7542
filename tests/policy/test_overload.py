"""Overload: the largest rate that fits, against a fine scan of rates by brute force."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf, isinf

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from ipa.domain import Limits, Pipeline
from ipa.options import Problem, price_list
from ipa.policy import Solution, exhaustive
from ipa.policy.overload import largest_rate_rps, serve_most
from tests.brute_force import best_plan
from tests.pipelines import pipelines, two_stages


def test_takes_the_plan_of_the_largest_rate_within_the_cores() -> None:
    most = serve_most(price_list(two_stages(Limits(cores=2))), 500.0, exhaustive.solve)
    assert most is not None
    assert most.rate_rps == pytest.approx(4 / 0.032)  # small at batch 4 on its one core
    assert most.solution.evaluation is not None
    assert [a.variant for a in most.solution.evaluation.plan.allocations] == ["small", "heavy"]


def test_none_where_no_rate_helps() -> None:
    assert serve_most(price_list(two_stages(slo_s=0.001)), 50.0, exhaustive.solve) is None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2))
def test_no_larger_rate_is_feasible(pipeline: Pipeline) -> None:
    rate_rps = 60.0
    assume(best_plan(pipeline, rate_rps) is None)
    most = serve_most(price_list(pipeline), rate_rps, exhaustive.solve)
    found = most.rate_rps if most else 0.0
    for larger in np.linspace(found, rate_rps, 40)[1:]:
        assert best_plan(pipeline, float(larger)) is None


def test_the_largest_rate_is_reached_and_nothing_above_it() -> None:
    """`small` in batches of 4 carries the least, 4/0.032 requests/s a replica."""
    assert largest_rate_rps(price_list(two_stages(Limits(cores=2)))) == pytest.approx(4 / 0.032)
    assert largest_rate_rps(price_list(two_stages(Limits(replicas=3)))) == pytest.approx(3 * 4 / 0.032)
    assert largest_rate_rps(price_list(two_stages(Limits(cores=10_000_000)))) == pytest.approx(
        1e9, rel=1e-3
    )  # and in time


def test_without_a_limit_on_replicas_nothing_bounds_the_rate() -> None:
    assert largest_rate_rps(price_list(two_stages())) == inf
    assert largest_rate_rps(price_list(two_stages(Limits(accuracy=0.85)))) == inf


def test_no_plan_at_any_rate_is_a_largest_rate_of_zero() -> None:
    assert largest_rate_rps(price_list(two_stages(slo_s=0.001))) == 0.0
    assert largest_rate_rps(price_list(two_stages(Limits(cores=1)))) == 0.0


def test_larger_rates_may_be_feasible_where_a_batch_fills_too_slowly() -> None:
    """Without a batch of 1, (4 − 1)/10 s of filling twice is too long; at a larger rate it is not."""
    pipeline = two_stages(Limits(cores=2), slo_s=0.1)
    pipeline = replace(pipeline, measurements=tuple(m for m in pipeline.measurements if m.batch == 4))
    assert serve_most(price_list(pipeline), 10.0, exhaustive.solve) is None
    assert largest_rate_rps(price_list(pipeline)) == pytest.approx(4 / 0.032)


def test_a_policy_that_does_not_try_everything_is_asked_itself() -> None:
    """One that knows batches of 1 only: `small` then carries 1/0.010 on its core, not 4/0.032."""

    def cautious(problem: Problem) -> Solution:
        stages = tuple(replace(s, latency_s=np.where(s.batch == 1, s.latency_s, 9.0)) for s in problem.stages)
        return exhaustive.solve(replace(problem, stages=stages))

    most = serve_most(price_list(two_stages(Limits(cores=2))), 500.0, cautious)
    assert most is not None
    assert most.rate_rps == pytest.approx(1 / 0.010)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2))
def test_the_largest_rate_agrees_with_brute_force(pipeline: Pipeline) -> None:
    largest = largest_rate_rps(price_list(pipeline))
    if isinf(largest):
        assert best_plan(pipeline, 1e12) is not None  # where a batch fills in no time
        return
    assert largest == 0.0 or best_plan(pipeline, largest) is not None
    assert not [rate for rate in _steps_above(pipeline, largest) if best_plan(pipeline, rate) is not None]


def _steps_above(pipeline: Pipeline, rate_rps: float) -> list[float]:
    """Rates at which replicas are just used up: each option's next three, and then ever larger ones."""
    units = [
        pipeline.limits.utilisation * m.rate_rps * (1 + pipeline.latency.throughput_margin) / stage.visits
        for stage in pipeline.stages
        for m in pipeline.measurements
        if m.stage == stage.name
    ]
    factors = (1.5, 2.0, 10.0, 1e4)
    near = {ceil(rate_rps / unit + 1e-6) * unit + k * unit for unit in units for k in range(3)}
    return sorted(near)[:20] + [max(units) * f + f * rate_rps for f in factors]
