"""What a cluster has room for and does not start, as policies and the loop see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.constraints import avoiding, within_cores, without_barred
from ipa.control import Loop, absurd
from ipa.domain import (
    Allocation,
    Config,
    Constraints,
    ControlSettings,
    ForecastSettings,
    Limits,
    Objective,
    Pipeline,
    Plan,
)
from ipa.options import Problem, price, price_list
from ipa.policy import exhaustive
from tests.pipelines import pipelines, rates, two_stages
from tests.world import World

ACCURATE = two_stages(objective=Objective(100.0))
LARGE = Allocation("detect", "large", "cpu", 1, 1, 1)


def variants(plan: Plan | None) -> list[tuple[str, int]]:
    return [(a.variant, a.replicas) for a in plan.allocations] if plan else []


def chosen(problem: Problem) -> list[tuple[str, int]]:
    solution = exhaustive.solve(problem)
    return variants(solution.evaluation.plan if solution.evaluation else None)


def test_a_plan_takes_no_more_cores_than_there_are() -> None:
    prices = price_list(ACCURATE)
    assert chosen(prices.at(60.0)) == [("large", 3), ("heavy", 1)]
    assert chosen(within_cores(prices, Constraints(cores=3)).at(60.0)) == [("small", 1), ("heavy", 1)]


def test_the_configs_own_limit_stays_where_it_is_tighter() -> None:
    prices = price_list(two_stages(Limits(cores=2)))
    assert within_cores(prices, Constraints(cores=3)) is prices
    assert within_cores(prices, Constraints()) is prices


def test_a_barred_server_is_not_chosen_but_may_keep_what_runs() -> None:
    problem = price(ACCURATE, 60.0)
    assert chosen(without_barred(problem, (LARGE,), None)) == [("small", 1), ("heavy", 1)]
    live = Plan((Allocation("detect", "large", "cpu", 1, 1, 3), Allocation("classify", "heavy", "cpu", 1, 4, 1)))
    assert chosen(without_barred(problem, (LARGE,), live)) == [("large", 3), ("heavy", 1)]
    assert chosen(avoiding(lambda p: p, (LARGE,), live)(price(ACCURATE, 90.0)))[0][0] == "small"


def test_where_everything_is_barred_anything_may_be_tried() -> None:
    problem = price(ACCURATE, 60.0)
    small = Allocation("detect", "small", "cpu", 1, 1, 1)
    assert without_barred(problem, (LARGE, small), None).stages[0] == problem.stages[0]
    assert without_barred(problem, (), None) is problem


@given(pipelines(), rates, st.integers(0, 40))
@settings(deadline=None, max_examples=60)
def test_less_room_never_finds_more(pipeline: Pipeline, rate: float, cores: int) -> None:
    prices = price_list(pipeline)
    bounded = within_cores(prices, Constraints(cores=cores)).at(rate)
    solution = exhaustive.solve(bounded)
    if solution.evaluation is not None:
        assert solution.evaluation.plan.total_cores <= cores + 1e-9
    assert bounded.limits.cores is not None and bounded.limits.cores <= cores


# --- in the loop ----------------------------------------------------------------------------------------------------


def turns(constraints: Constraints, world: World, seconds: float = 5.0) -> list[str]:
    config = Config(ACCURATE, Path(), forecast=ForecastSettings("last"), control=ControlSettings(5.0))
    loop = Loop(config, exhaustive.solve, world, world, world, world.apply, constraints=lambda: constraints)
    return [turn.decision.reason for turn in loop.turns(seconds)]


def test_a_hold_changes_nothing_and_says_why() -> None:
    world = World({0: 60}, at_s=5.0)
    assert turns(Constraints(hold="argocd sets its replicas"), world) == ["held: argocd sets its replicas"]
    assert world.applied == []


def test_what_is_to_be_restored_comes_before_any_decision() -> None:
    world, goal = World({0: 60}, at_s=5.0), Plan((LARGE, Allocation("classify", "heavy", "cpu", 1, 1, 1)))
    assert turns(Constraints(restore=goal, why="a change was broken off"), world) == ["a change was broken off"]
    assert [plan for _, plan in world.applied] == [goal]


def test_a_decision_says_what_bounds_it() -> None:
    world = World({0: 60}, at_s=5.0)
    assert turns(Constraints(cores=3, why="no node has room"), world) == ["nothing runs yet; no node has room"]
    assert variants(world.plan) == [("small", 1), ("heavy", 1)]


@pytest.mark.parametrize("count", [-1, float("inf"), 1e9])
def test_counts_that_cannot_be_are_not_decided_on(count: float) -> None:
    assert absurd([10, count, 10]) == f"the monitor says {count:g} requests in a second"
    world = World({0: count}, at_s=5.0)  # type: ignore[dict-item]
    assert turns(Constraints(), world) == [f"held: the monitor says {count:g} requests in a second"]


def test_ordinary_counts_are_not_absurd() -> None:
    assert absurd([]) == absurd([0, 0, 123456]) == ""


def test_seconds_that_nobody_counted_are_left_out_and_said() -> None:
    assert absurd([10, float("nan"), 10]) == ""
    unknown: dict[int, float] = {second: 10 if second % 2 else float("nan") for second in range(5)}
    world = World(unknown, at_s=5.0)  # type: ignore[arg-type]
    [reason] = turns(Constraints(), world)
    assert reason.startswith("nothing runs yet; forecast: 3 s unknown left out")
