"""What must hold between two problems without knowing the answer of either, on chains beyond enumeration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipa.domain import Hardware, Limits, Measurement, Pipeline, Slo, Stage, Variant
from ipa.options import price
from ipa.policy import auto
from tests.pipelines import measurement, random_chain

RATE_RPS = 20.0
SEARCH = settings(deadline=None, max_examples=settings().max_examples // 4, suppress_health_check=list(HealthCheck))
LOOSER: dict[str, Callable[[Pipeline, float], Pipeline]] = {
    "latency": lambda p, by: replace(p, slo=Slo(p.slo.latency_s * by, 2 * p.slo.latency_s * by)),
    "cores": lambda p, by: limited(p, cores=(p.limits.cores or 0) * by),
    "cost_per_hour": lambda p, by: limited(p, cost_per_hour=(p.limits.cost_per_hour or 0) * by),
    "replicas": lambda p, by: limited(p, replicas=int((p.limits.replicas or 0) * by)),
    "accuracy": lambda p, by: limited(p, accuracy=(p.limits.accuracy or 0) / by),
    "score": lambda p, by: limited(p, score=(p.limits.score or 0) / by),
    "utilisation": lambda p, by: limited(p, utilisation=min(1.0, p.limits.utilisation * by)),
    "capacity": lambda p, by: replace(p, hardware={"cpu": replace(p.hardware["cpu"], capacity=70 * by)}),
}


def limited(pipeline: Pipeline, **changed: float) -> Pipeline:
    return replace(pipeline, limits=replace(pipeline.limits, **changed))  # type: ignore[arg-type]


def chain(seed: int, stages: int, score: str, unit: str, tightness: float) -> Pipeline:
    """Every limit is set, few of them so tight that nothing is left."""
    limits = Limits(cores=25 * stages, cost_per_hour=1.1 * stages, accuracy=0.02, score=0.02, replicas=30)
    found = random_chain(seed, stages, 5, score=score, tightness=tightness, limits=replace(limits, utilisation=0.8))
    objective = replace(
        found.objective, unit=unit, cost_weight=found.objective.cost_weight * (25 if unit == "money" else 1)
    )
    cpu = Hardware("cpu", price_per_core_hour=0.04, capacity=70)
    return replace(found, objective=objective, hardware={"cpu": cpu})


CHAINS = st.builds(
    chain,
    st.integers(0, 10_000),
    st.integers(2, 6),
    st.sampled_from(["product", "sum", "mean"]),
    st.sampled_from(["cores", "money"]),
    st.sampled_from([0.5, 1.0, 2.0, 4.0]),
)


def objective_of(pipeline: Pipeline, rate_rps: float = RATE_RPS) -> float:
    """−inf for no plan, so that any plan is better."""
    best = auto.solve(price(pipeline, rate_rps)).evaluation
    return best.objective if best else -inf


def assert_equal(found: float, expected: float) -> None:
    assert found == expected or abs(found - expected) <= 1e-6 * max(1.0, abs(expected))


def assert_not_worse(found: float, than: float) -> None:
    assert found >= than - 1e-6 * max(1.0, abs(than) if than > -inf else 0.0)


@pytest.mark.parametrize("limit", LOOSER)
@SEARCH
@given(pipeline=CHAINS, by=st.sampled_from([1.0, 1.1, 1.5, 3.0]))
def test_a_looser_limit_never_scores_worse(limit: str, pipeline: Pipeline, by: float) -> None:
    assert_not_worse(objective_of(LOOSER[limit](pipeline, by)), objective_of(pipeline))


@SEARCH
@given(pipeline=CHAINS, seed=st.integers(0, 1_000))
def test_one_more_measured_row_never_scores_worse(pipeline: Pipeline, seed: int) -> None:
    random = Random(seed)
    like = random.choice(pipeline.measurements)
    row = measurement(
        like.stage,
        like.variant,
        like.batch,
        like.latency_mean_s * random.uniform(0.1, 2),
        cores=random.choice((3, 5, 8)),
    )
    assert_not_worse(
        objective_of(replace(pipeline, measurements=(*pipeline.measurements, row))), objective_of(pipeline)
    )


@SEARCH
@given(pipeline=CHAINS, seed=st.integers(0, 1_000))
def test_one_more_variant_never_scores_worse(pipeline: Pipeline, seed: int) -> None:
    random = Random(seed)
    stage = random.choice(pipeline.stages)
    rows = [measurement(stage.name, "new", b, 0.01 * random.uniform(0.5, 4) * b**0.7, cores=2) for b in (1, 4, 16)]
    wider = replace(stage, variants=(Variant("new", random.uniform(0.4, 1.0)), *stage.variants))
    assert_not_worse(objective_of(_with_stage(pipeline, wider, rows)), objective_of(pipeline))


@SEARCH
@given(pipeline=CHAINS, seed=st.integers(0, 1_000))
def test_a_variant_under_a_second_name_changes_no_objective(pipeline: Pipeline, seed: int) -> None:
    random = Random(seed)
    stage = random.choice(pipeline.stages)
    twin = random.choice(stage.variants)
    rows = [
        replace(m, variant="twin") for m in pipeline.measurements if (m.stage, m.variant) == (stage.name, twin.name)
    ]
    wider = replace(stage, variants=(*stage.variants, Variant("twin", twin.accuracy)))
    assert_equal(objective_of(_with_stage(pipeline, wider, rows)), objective_of(pipeline))


def _with_stage(pipeline: Pipeline, stage: Stage, rows: list[Measurement]) -> Pipeline:
    stages = tuple(stage if s.name == stage.name else s for s in pipeline.stages)
    return replace(pipeline, stages=stages, measurements=(*pipeline.measurements, *rows))


@SEARCH
@given(pipeline=CHAINS, seed=st.integers(0, 1_000))
def test_the_order_of_variants_and_rows_changes_nothing(pipeline: Pipeline, seed: int) -> None:
    random = Random(seed)
    stages = tuple(replace(s, variants=tuple(random.sample(s.variants, len(s.variants)))) for s in pipeline.stages)
    rows = tuple(random.sample(pipeline.measurements, len(pipeline.measurements)))
    shuffled = replace(pipeline, stages=stages, measurements=rows)
    mine, theirs = auto.solve(price(pipeline, RATE_RPS)), auto.solve(price(shuffled, RATE_RPS))
    if mine.solver == theirs.solver == "label":  # it promises the tie-break, so even the plan is the same
        assert (mine.evaluation and mine.evaluation.plan) == (theirs.evaluation and theirs.evaluation.plan)
    assert_equal(objective_of(shuffled), objective_of(pipeline))


@SEARCH
@given(pipeline=CHAINS, k=st.sampled_from([1 / 1024, 0.25, 8.0, 1024.0]))
def test_another_unit_of_time_changes_nothing(pipeline: Pipeline, k: float) -> None:
    """Powers of two, so that rounding plays no part."""
    rows = tuple(
        measurement(m.stage, m.variant, m.batch, m.latency_mean_s * k, cores=m.cores) for m in pipeline.measurements
    )
    slo = Slo(pipeline.slo.latency_s * k, 2 * pipeline.slo.latency_s * k)
    assert_equal(objective_of(replace(pipeline, slo=slo, measurements=rows), RATE_RPS / k), objective_of(pipeline))


@SEARCH
@given(pipeline=CHAINS, k=st.sampled_from([1 / 1024, 0.25, 8.0, 1024.0]))
def test_another_currency_changes_nothing(pipeline: Pipeline, k: float) -> None:
    pipeline = replace(pipeline, objective=replace(pipeline.objective, unit="money"))
    cpu = replace(pipeline.hardware["cpu"], price_per_core_hour=pipeline.hardware["cpu"].price_per_core_hour * k)
    dearer = limited(replace(pipeline, hardware={"cpu": cpu}), cost_per_hour=(pipeline.limits.cost_per_hour or 0) * k)
    weights = replace(pipeline.objective, cost_weight=pipeline.objective.cost_weight / k)
    assert_equal(objective_of(replace(dearer, objective=weights)), objective_of(pipeline))


@SEARCH
@given(pipeline=CHAINS, k=st.sampled_from([0.25, 8.0]))
def test_all_weights_times_a_number_scale_the_objective(pipeline: Pipeline, k: float) -> None:
    o = pipeline.objective
    scaled = replace(
        o, accuracy_weight=o.accuracy_weight * k, cost_weight=o.cost_weight * k, batch_weight=o.batch_weight * k
    )
    assert_equal(objective_of(replace(pipeline, objective=scaled)), k * objective_of(pipeline))


def test_most_of_the_chains_have_a_plan() -> None:
    """Else the tests above would compare nothing with nothing."""
    found = [
        objective_of(chain(seed, 2 + seed % 5, "product", "cores", (0.5, 1, 2, 4)[seed % 4])) for seed in range(20)
    ]
    assert sum(objective > -inf for objective in found) >= 12
