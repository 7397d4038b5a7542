"""The staircase against every feasible plan: none beats it, and each of its steps is one of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipa.domain import Limits, Objective, Pipeline
from ipa.evaluation import evaluate
from ipa.options import price
from ipa.policy.staircase import Cost, Value, staircase
from tests.brute_force import feasible_plans
from tests.pipelines import pipelines, random_chain, rates, two_stages

PAIRS: list[tuple[Cost, Value]] = [("cores", "accuracy"), ("cost_per_hour", "accuracy"), ("cores", "objective")]


def all_pairs(pipeline: Pipeline, rate_rps: float, cost: Cost, value: Value) -> list[tuple[float, float]]:
    """(cost, value) of every feasible plan."""
    found = []
    for objective, rows in feasible_plans(pipeline, rate_rps):
        # Equal prices added in another order differ in their last bit.
        cores, money = sum(r.allocation.total_cores for r in rows), round(sum(r.per_hour for r in rows), 9)
        accuracy = prod(r.accuracy for r in rows)
        found.append((cores if cost == "cores" else money, objective if value == "objective" else accuracy))
    return found


def front(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs that no other beats by more than a tolerance, by rising cost."""
    kept: list[tuple[float, float]] = []
    for cost, value in sorted(pairs, key=lambda pair: (pair[0], -pair[1])):
        if not kept or value > kept[-1][1] + 1e-9:
            kept.append((cost, value))
    return kept


@pytest.mark.parametrize(("cost", "value"), PAIRS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_is_the_pareto_front_of_all_plans(cost: Cost, value: Value, pipeline: Pipeline, rate_rps: float) -> None:
    steps = staircase(price(pipeline, rate_rps), cost, value)
    expected = front(all_pairs(pipeline, rate_rps, cost, value))
    assert [step.cost for step in steps] == pytest.approx([pair[0] for pair in expected], rel=1e-6, abs=1e-6)
    assert [step.value for step in steps] == pytest.approx([pair[1] for pair in expected], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("cost", "value"), PAIRS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_each_choice_is_feasible_and_worth_what_its_step_says(
    cost: Cost, value: Value, pipeline: Pipeline, rate_rps: float
) -> None:
    problem = price(pipeline, rate_rps)
    for step in staircase(problem, cost, value):
        plan = evaluate(problem, step.choice)
        assert plan.feasible
        assert step.cost == (plan.cost_cores if cost == "cores" else plan.cost_per_hour)
        assert step.value == (plan.objective if value == "objective" else plan.accuracy)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates, weights=st.sampled_from([(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)]))
def test_weights_of_nothing_make_plans_equal_but_no_front_longer(
    pipeline: Pipeline, rate_rps: float, weights: tuple[float, float]
) -> None:
    objective = replace(pipeline.objective, accuracy_weight=weights[0], cost_weight=weights[1], batch_weight=0.0)
    equal = replace(pipeline, objective=objective)
    steps = staircase(price(equal, rate_rps), "cores", "objective")
    expected = front(all_pairs(equal, rate_rps, "cores", "objective"))
    assert [step.cost for step in steps] == pytest.approx([pair[0] for pair in expected])


def test_two_stages_by_hand() -> None:
    steps = staircase(price(two_stages(), 30.0), "cores", "accuracy")
    # detect/large answers 20/s a replica (21 in fours), heavy 50: the accurate pair takes 2 + 1 cores.
    assert [step.cost for step in steps] == [2.0, 3.0]
    assert [step.value for step in steps] == pytest.approx([0.70 * 0.95, 0.90 * 0.95])


def test_without_a_feasible_plan_there_is_no_step() -> None:
    assert staircase(price(two_stages(slo_s=0.001), 5.0), "cores", "accuracy") == ()


def test_a_floor_on_another_score_holds_on_the_front() -> None:
    """A floor on the sum of the accuracies, while the front is of their product."""
    objective = Objective(10.0, 1.0, score="sum")
    pipeline = two_stages(Limits(score=1.8), objective=objective)
    steps = staircase(price(pipeline, 30.0), "cores", "accuracy")
    assert [step.cost for step in steps] == [3.0]
    assert steps[0].value == pytest.approx(0.90 * 0.95)


def test_a_longer_chain_never_falls_and_starts_at_the_least() -> None:
    problem = price(random_chain(3, 6, 5, limits=Limits(cores=60)), 20.0)
    steps = staircase(problem, "cores", "accuracy")
    assert len(steps) > 5
    assert all(a.cost < b.cost and a.value < b.value for a, b in pairwise(steps))
    assert steps[-1].cost <= 60
