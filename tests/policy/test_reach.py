"""The best value of each limited quantity, against the integer program, which shares no search with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from ipa.domain import Pipeline
from ipa.evaluation import Limit, limits_of, quantities
from ipa.options import Problem, price
from ipa.policy.milp import optimise
from ipa.policy.reach import reach
from tests.pipelines import pipelines, random_chain, rates, two_stages

NAMES = ("latency", "cores", "cost_per_hour", "replicas", "accuracy", "score", "capacity.cpu")


def by_program(problem: Problem, limit: Limit) -> float | None:
    best = optimise(problem, limit.name, maximise=limit.floor)
    return None if best is None else float(quantities(problem, np.array(best.choice)[:, None])[limit.name][0])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_agrees_with_the_integer_program(pipeline: Pipeline, rate_rps: float) -> None:
    problem = price(pipeline, rate_rps)
    in_force = {limit.name for limit in limits_of(problem)}
    for name in NAMES:
        if name.startswith("capacity") and name not in in_force:
            continue
        limit = Limit(name, 0.0, floor=name in ("accuracy", "score"))
        mine, theirs = reach(problem, limit), by_program(problem, limit)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            assert mine == pytest.approx(theirs, abs=1e-7, rel=1e-7), name


def test_a_chain_beyond_enumeration() -> None:
    problem = price(random_chain(3, 8, 8), 20.0)
    for name in ("latency", "cores", "accuracy"):
        limit = Limit(name, 0.0, floor=name == "accuracy")
        assert reach(problem, limit) == pytest.approx(by_program(problem, limit), abs=1e-7)


def test_nothing_is_reached_where_nothing_is_feasible() -> None:
    assert reach(price(two_stages(slo_s=0.001), 5.0), Limit("cores", 0.0)) is None


def test_all_accuracies_zero_reach_zero() -> None:
    pipeline = two_stages()
    zero = tuple(replace(s, variants=tuple(replace(v, accuracy=0.0) for v in s.variants)) for s in pipeline.stages)
    assert reach(price(replace(pipeline, stages=zero), 5.0), Limit("accuracy", 0.0, floor=True)) == 0.0
