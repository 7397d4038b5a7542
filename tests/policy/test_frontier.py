"""The frontier's marks: where the knee is, and which point the objective chooses."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from ipa.domain import Objective, Pipeline
from ipa.options import price
from ipa.policy import POLICIES
from ipa.policy.frontier import frontier, knee
from tests.pipelines import pipelines, random_chain, rates, two_stages


@pytest.mark.parametrize(
    ("costs", "values", "index"),
    [
        ([1, 2, 10], [0.1, 0.8, 0.9], 1),
        ([1, 2, 3, 10], [0.1, 0.5, 0.8, 0.9], 2),  # 0.39 and 0.65 above the chord
        ([0, 1, 2, 3, 4], [0.0, 0.5, 0.75, 1.0, 1.25], 1),  # 0.15, 0.1, 0.05
        ([0, 1, 3, 4], [0.0, 0.5, 1.0, 1.0], 1),  # equally far: the cheaper
        ([0, 1, 2], [0.0, 0.5, 1.0], None),  # a straight line bends nowhere
        ([0, 9, 10], [0.0, 0.1, 1.0], None),  # below the chord
        ([1, 2], [0.1, 0.2], None),
        ([1], [0.1], None),
        ([], [], None),
    ],
)
def test_the_knee_is_farthest_above_the_chord(costs: list[float], values: list[float], index: int | None) -> None:
    assert knee(costs, values) == index


def test_scales_of_cost_and_value_do_not_move_the_knee() -> None:
    costs, values = [1.0, 2.0, 3.0, 10.0], [0.1, 0.5, 0.8, 0.9]
    assert knee([100 * c for c in costs], [v / 1000 for v in values]) == knee(costs, values)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_the_chosen_plan_is_the_one_that_solve_gives(pipeline: Pipeline, rate_rps: float) -> None:
    problem = price(pipeline, rate_rps)
    front, solved = frontier(problem), POLICIES["auto"](problem).evaluation
    marked = [point.plan for point in front.points if point.chosen] + ([front.off_front] if front.off_front else [])
    assert marked == ([solved] if solved else [])
    assert sum(point.knee for point in front.points) <= 1
    if front.off_front:  # then some point is better in one and no worse in the other
        off = front.off_front
        cost = off.cost_cores if problem.objective.unit == "cores" else off.cost_per_hour
        assert any(p.cost <= cost + 1e-6 and p.plan.accuracy >= off.accuracy - 1e-6 for p in front.points)


def test_a_product_that_weighs_cost_chooses_a_point_of_the_front() -> None:
    front = frontier(price(random_chain(3, 4, 5), 20.0))
    assert front.off_front is None
    assert sum(point.chosen for point in front.points) == 1


def test_a_choice_off_the_front_is_kept_apart() -> None:
    """A batch of 4 saves a core of classify/heavy, and costs more than that where batches weigh much."""
    front = frontier(price(two_stages(objective=Objective(10.0, 0.1, batch_weight=1.0)), 60.0))
    assert front.off_front is not None
    assert not any(point.chosen for point in front.points)


def test_the_unit_of_the_objective_is_the_cost() -> None:
    front = frontier(price(two_stages(objective=Objective(10.0, 1.0, unit="money")), 30.0))
    assert [point.cost for point in front.points] == [0.0]  # nothing has a price, so only the best is left
    assert front.points[0].plan.accuracy == pytest.approx(0.90 * 0.95)
