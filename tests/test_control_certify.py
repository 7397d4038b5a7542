"""The loop under `control.certify`: stories in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ipa.control import Loop, Turn
from ipa.domain import Config, ControlSettings, ForecastSettings, Limits, Objective, Pipeline, Plan
from ipa.options import Problem
from ipa.policy import Solution, auto
from ipa.policy.certified import by_arrivals
from ipa.report.adapt import document
from tests.pipelines import two_stages
from tests.world import World

BATCH_1 = two_stages(Limits(accuracy=0.8), objective=Objective(10.0, 0.1))
PIPELINE = replace(BATCH_1, measurements=tuple(m for m in BATCH_1.measurements if m.batch == 1))


def story(world: World, pipeline: Pipeline, seconds: float) -> tuple[list[Turn], list[float]]:
    """The turns, and the variations that plans were certified for."""
    config = Config(
        pipeline, Path(), forecast=ForecastSettings("last", 30.0), control=ControlSettings(5.0, 30.0, certify=True)
    )
    seen: list[float] = []
    choose = by_arrivals(config, auto.solve, 60.0)

    def certify(problem: Problem, arrivals: Sequence[int], live: Plan | None) -> Solution:
        solution = choose(problem, arrivals, live)
        seen.append(solution.certificate.cv if solution.certificate else 0.0)
        return solution

    loop = Loop(config, auto.solve, world, world, world, world.apply, certify=certify)
    return list(loop.turns(seconds)), seen


def test_a_rate_that_averages_just_carry_gets_a_plan_that_passes() -> None:
    """detect/large answers 20 requests/s a replica: at 38 two are enough on average, and would be 95 % busy."""
    plain, sure = World({0: 38}), World({0: 38})
    list(
        Loop(
            Config(PIPELINE, Path(), forecast=ForecastSettings("last"), control=ControlSettings(5.0)),
            auto.solve, plain, plain, plain, plain.apply,
        ).turns(5)
    )  # fmt: skip
    turns, _ = story(sure, PIPELINE, 5)
    assert plain.plan
    assert sure.plan
    assert (plain.plan.stage("detect").replicas, sure.plan.stage("detect").replicas) == (2, 3)
    certificate = document("toy", turns[1])["certificate"]
    assert certificate["slo_share"] >= 0.99


def test_a_certified_plan_is_kept() -> None:
    world = World({0: 38})
    turns, _ = story(world, PIPELINE, 45)
    assert [t.at_s for t in turns if t.decision.plan] == [5]
    assert turns[-1].decision.reason == "the live plan is the best"


def test_a_live_plan_that_would_miss_is_left_at_once_for_a_worse_one_that_passes() -> None:
    """3 cores: two of detect/large are 75 % busy at 30 and 95 % at 38 requests/s; a third would be one too many."""
    world = World({0: 30, 10: 38})
    limited = replace(PIPELINE, limits=Limits(cores=3), slo=replace(PIPELINE.slo, latency_s=0.2, drop_after_s=0.4))
    turns, _ = story(world, limited, 15)
    applied = {t.at_s: (t.decision.reason, t.decision.plan) for t in turns if t.decision.plan}
    assert list(applied) == [5, 15]
    reason, plan = applied[15]
    assert reason == "the live plan misses p99 in simulation"
    assert plan
    assert plan.stage("detect").variant == "small"


def test_uneven_arrivals_raise_the_variation() -> None:
    world = World({second: (10, 50)[second % 2] for second in range(0, 60)})
    _, seen = story(world, PIPELINE, 15)
    assert seen[0] == 1.0
    assert max(seen) > 3


def test_where_no_plan_passes_the_policys_own_is_applied_and_the_turn_says_so() -> None:
    world = World({0: 19})
    few = replace(PIPELINE, limits=Limits(accuracy=0.85, replicas=1))
    turns, _ = story(world, replace(few, slo=replace(few.slo, latency_s=0.08, drop_after_s=0.16)), 5)
    solution = turns[1].solution
    assert world.plan
    assert solution
    assert "not certified: no plan keeps p99 within 0.08 s in simulation" in solution.reason


def test_more_than_any_plan_carries_is_still_overload() -> None:
    world = World({0: 200})
    turns, _ = story(world, replace(PIPELINE, limits=Limits(replicas=2)), 5)
    assert world.plan
    assert turns[1].decision.plan == world.plan
