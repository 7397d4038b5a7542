"""Explanations: every figure is what the oracle finds with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ipa.domain import Fixed, Limits, Objective, Pipeline
from ipa.evaluation import Limit
from ipa.policy.explain import Alternative, Explanation, Worth, explain, one_more
from ipa.policy.fixed import seen_by
from tests.brute_force import best_plan
from tests.pipelines import pipelines, random_chain, two_stages
from tests.policy.bounds import outwards, with_bound, without

positive_rates = st.one_of(st.sampled_from([1.0, 10.0, 100.0]), st.floats(0.01, 300.0))


def explained(pipeline: Pipeline, rate_rps: float) -> Explanation:
    found = explain(pipeline, rate_rps)
    assert found is not None
    return found


def worth(explanation: Explanation, key: str) -> Worth:
    return next(w for w in explanation.limits if w.limit.key == key)


def objective(pipeline: Pipeline, rate_rps: float) -> float:
    best = best_plan(pipeline, rate_rps)
    return -inf if best is None else best.objective


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2), rate_rps=positive_rates)
def test_agrees_with_brute_force(pipeline: Pipeline, rate_rps: float) -> None:
    now = objective(pipeline, rate_rps)
    assume(now > -inf)
    explanation = explained(pipeline, rate_rps)
    close = 1e-8 * max(1.0, abs(now))
    assert explanation.best.objective == pytest.approx(now, abs=close)
    for w in explanation.limits:
        gain = objective(without(pipeline, w.limit), rate_rps) - now
        assert gain < close if w.first is None else gain > 0
        assert w.slack >= -1e-9
        if w.next is not None:
            assert _gain(w.next) == pytest.approx(
                objective(with_bound(pipeline, w.limit, w.next.to), rate_rps) - now, abs=close
            )
        if w.first is not None:
            at = objective(with_bound(pipeline, w.limit, w.first.to), rate_rps)
            assert _gain(w.first) == pytest.approx(at - now, abs=close)
            nearer = outwards(w.limit, w.first.to, -1e-6 * max(1.0, abs(w.first.to)))
            assert objective(with_bound(pipeline, w.limit, nearer), rate_rps) <= now + close
    more = explanation.rate
    assert (more.gain if more.gain is not None else -inf) == pytest.approx(
        objective(pipeline, 1.1 * rate_rps) - now, abs=close
    )


def _gain(found: Alternative) -> float:
    assert found.gain is not None
    return found.gain


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(stages=2), rate_rps=positive_rates)
def test_what_stops_the_rate_lets_more_through_when_lifted(pipeline: Pipeline, rate_rps: float) -> None:
    found = explain(pipeline, rate_rps)
    assume(found is not None)
    assert found is not None
    assume(found.largest_rate_rps < inf)
    above = found.largest_rate_rps * (1 + 1e-6)
    assert best_plan(pipeline, above) is None
    stops = [w.limit for w in found.limits if best_plan(without(pipeline, w.limit), above) is not None]
    assert list(found.stopped_by) == stops


def test_one_more_core_buys_the_accurate_variant() -> None:
    """At 40 requests/s `large` needs two cores and `heavy` one: a limit of 2 cores keeps `small`."""
    explanation = explained(two_stages(Limits(cores=2)), 40.0)
    cores = worth(explanation, "limits.cores")
    assert (cores.value, cores.slack, cores.binds) == (2.0, 0.0, True)
    assert cores.next is not None
    assert cores.next.evaluation is not None
    assert cores.next.to == 3.0
    assert cores.next.gain == pytest.approx(10 * (0.90 - 0.70) * 0.95 - 1, abs=1e-5)
    assert [a.variant for a in cores.next.evaluation.plan.allocations] == ["large", "heavy"]
    assert explanation.largest_rate_rps == pytest.approx(4 / 0.032)
    assert [limit.key for limit in explanation.stopped_by] == ["limits.cores"]


def test_the_first_gain_is_named_where_the_next_unit_gains_nothing() -> None:
    """`small` and `heavy` take 30 ms, `large` and `light` 55: 10 ms more than 40 are worth nothing."""
    latency = worth(explained(two_stages(slo_s=0.04), 10.0), "slo.latency")
    assert latency.next is not None
    assert latency.next.to == pytest.approx(0.05)
    assert latency.next.gain == 0.0
    assert latency.first is not None
    assert latency.first.to == pytest.approx(0.055)
    assert latency.first.gain == pytest.approx(10 * (0.90 * 0.80 - 0.70 * 0.95))


def test_a_limit_with_room_may_bind_and_one_without_may_not() -> None:
    """The plan is discrete: what is left over may just be too little, and what is used up is not always missed."""
    explanation = explained(two_stages(Limits(cores=2), slo_s=0.05), 10.0)
    latency, cores = worth(explanation, "slo.latency"), worth(explanation, "limits.cores")
    assert latency.slack > 0
    assert latency.binds
    assert cores.slack == 0
    assert not cores.binds


def test_a_floor_binds_where_cost_would_rather_have_less() -> None:
    explanation = explained(two_stages(Limits(accuracy=0.7), objective=Objective(0.0, 1.0)), 60.0)
    floor = worth(explanation, "limits.accuracy")
    assert floor.first is not None
    assert floor.first.to == pytest.approx(0.70 * 0.95)
    assert floor.next is not None
    assert floor.next.to == pytest.approx(0.69)
    assert floor.next.gain == 0.0


@pytest.mark.parametrize(
    ("limit", "to"),
    [
        (Limit("latency", 0.25), 0.26),
        (Limit("cores", 2.0), 3.0),
        (Limit("replicas", 4), 5.0),
        (Limit("capacity.gpu", 4.0), 5.0),
        (Limit("cost_per_hour", 2.0), 2.2),
        (Limit("accuracy", 0.7, floor=True), 0.69),
        (Limit("score", 1.4, floor=True), 1.39),
        (Limit("accuracy", 0.004, floor=True), 0.0),
        (Limit("accuracy", 0.0, floor=True), None),
        (Limit("cost_per_hour", 0.0), None),
    ],
)
def test_the_next_unit_of_each_limit(limit: Limit, to: float | None) -> None:
    assert one_more(limit) == (None if to is None else pytest.approx(to))


def test_a_baseline_is_explained_within_what_it_fixes() -> None:
    """fa2-low keeps `small` and `light`: more of no limit gains anything. One replica of each carries 4/0.032."""
    low = explain(two_stages(Limits(cores=2)), 40.0, lambda problem: seen_by("fa2-low", problem))
    assert low is not None
    assert [a.variant for a in low.best.plan.allocations] == ["small", "light"]
    assert not [w for w in low.limits if w.binds]
    fixed = {"rim": {name: Fixed(replicas=2) for name in ("detect", "classify")}}
    rim = explain(replace(two_stages(), policies=fixed), 40.0, lambda problem: seen_by("rim", problem))
    assert rim is not None
    assert rim.largest_rate_rps == pytest.approx(2 * 4 / 0.032)
    assert rim.stopped_by == ()


def test_no_plan_has_no_explanation() -> None:
    assert explain(two_stages(slo_s=0.001), 5.0) is None


def test_at_rate_zero_a_tenth_more_is_the_same_load() -> None:
    explanation = explained(two_stages(Limits(cores=2)), 0.0)
    assert (explanation.rate.to, explanation.rate.gain) == (0.0, 0.0)


def test_a_long_pipeline_at_the_edge_of_what_it_can_carry_is_explained_without_trying_all() -> None:
    """Where every limit is tight at once, proving that there is no plan is what takes long."""
    pipeline = random_chain(0, 6, 8, limits=Limits(cores=120, replicas=40, accuracy=0.2))
    largest = explained(pipeline, 20.0).largest_rate_rps
    explanation = explained(pipeline, largest)
    assert explanation.largest_rate_rps == largest
    assert explanation.rate.gain is None
    assert explanation.stopped_by
