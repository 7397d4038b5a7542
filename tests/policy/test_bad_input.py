"""Odd problems: every policy answers them right, or says clearly that it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.domain import Limits, Objective, Pipeline, Variant
from ipa.errors import UsageError
from ipa.options import price
from ipa.policy import POLICIES, auto, milp
from ipa.policy.fixed import BASELINES
from tests.brute_force import best_plan
from tests.hard_pipelines import wide_chain
from tests.pipelines import measurement, two_stages


def with_rows(pipeline: Pipeline, batch: int, latency_s: float) -> Pipeline:
    """One more row for each variant."""
    more = tuple(measurement(s.name, v.name, batch, latency_s) for s in pipeline.stages for v in s.variants)
    return replace(pipeline, measurements=(*pipeline.measurements, *more))


def with_accuracy(pipeline: Pipeline, accuracy: float) -> Pipeline:
    stages = tuple(replace(s, variants=tuple(Variant(v.name, accuracy) for v in s.variants)) for s in pipeline.stages)
    return replace(pipeline, stages=stages)


def with_one_variant(pipeline: Pipeline) -> Pipeline:
    stages = tuple(replace(s, variants=s.variants[:1]) for s in pipeline.stages)
    kept = {(s.name, s.variants[0].name) for s in stages}
    rows = tuple(m for m in pipeline.measurements if (m.stage, m.variant) in kept)
    return replace(pipeline, stages=stages, measurements=rows)


ODD: dict[str, tuple[Pipeline, float]] = {
    "rate 0": (two_stages(), 0.0),
    "a rate near 0": (two_stages(), 1e-9),
    "millions of replicas": (two_stages(objective=Objective(10.0, 1e-6)), 1e8),
    "so many replicas that nothing else matters": (two_stages(), 1e13),
    "one variant a stage": (with_one_variant(two_stages()), 20.0),
    "one variant, ranked": (with_one_variant(two_stages(objective=Objective(10.0, 1.0, 1e-6, "rank-sum"))), 20.0),
    "equal variants": (with_accuracy(two_stages(), 0.9), 20.0),
    "equal variants, ranked": (with_accuracy(two_stages(objective=Objective(score="rank-product")), 0.9), 20.0),
    "no accuracy": (with_accuracy(two_stages(), 0.0), 20.0),
    "no accuracy, and a floor": (with_accuracy(two_stages(Limits(accuracy=0.1)), 0.0), 20.0),
    "batches of a million": (with_rows(two_stages(slo_s=1e6), 10**6, 100.0), 5_000.0),
    "batches of a million in too short a time": (with_rows(two_stages(), 10**6, 100.0), 20.0),
    "no weight at all": (two_stages(objective=Objective(0.0, 0.0, 0.0)), 20.0),
    "an SLO of 0": (two_stages(slo_s=0.0), 20.0),
    "no cores": (two_stages(Limits(cores=0)), 20.0),
}


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in BASELINES])
@pytest.mark.parametrize("odd", ODD)
def test_odd_problems_are_answered_as_by_brute_force(name: str, odd: str) -> None:
    pipeline, rate_rps = ODD[odd]
    solution, best = POLICIES[name](price(pipeline, rate_rps)), best_plan(pipeline, rate_rps)
    assert (solution.evaluation is None) == (best is None)
    if solution.evaluation is not None and best is not None:
        assert (solution.status, solution.gap) == ("optimal", 0.0)
        assert abs(solution.evaluation.objective - best.objective) <= 1e-6 * max(1.0, abs(best.objective))


@pytest.mark.parametrize("rate_rps", [float("inf"), float("-inf"), float("nan"), -1.0])
def test_a_rate_that_is_none_is_refused_before_any_policy(rate_rps: float) -> None:
    with pytest.raises(UsageError, match=rf"rate {rate_rps}: a rate is a finite number of requests per second"):
        price(two_stages(), rate_rps)


@pytest.mark.parametrize("limits", [Limits(), Limits(cores=40)])
def test_ten_thousand_options_a_stage_are_answered(limits: Limits) -> None:
    """143 variants × 2 kinds of hardware × 5 numbers of cores × 7 batches, three stages: 10¹² plans."""
    problem = price(wide_chain(0, 3, 143, limits=limits), 50.0)
    assert [len(stage) for stage in problem.stages] == [10_010] * 3
    mine, theirs = auto.solve(problem), milp.solve(problem)
    assert mine.evaluation is not None
    assert theirs.evaluation is not None
    assert (mine.status, theirs.status) == ("optimal", "optimal")
    assert mine.evaluation.objective == pytest.approx(theirs.evaluation.objective, abs=1e-6, rel=1e-6)


def test_exhaustive_says_what_it_takes() -> None:
    with pytest.raises(
        UsageError, match="policy exhaustive: 1,003,003,001,000 combinations; it takes 4,000,000 at most"
    ):
        POLICIES["exhaustive"](price(wide_chain(0, 3, 143), 50.0))
