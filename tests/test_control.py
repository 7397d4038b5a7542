"""Stories of the loop in virtual time: each moves the clock and reads the decisions."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from ipa.control import Hold, Loop, Turn, decide
from ipa.domain import Allocation, Config, ControlSettings, Fixed, ForecastSettings, Limits, Pipeline, Plan
from ipa.errors import ServingError
from ipa.evaluation import evaluate_live
from ipa.options import price
from ipa.policy import POLICIES, exhaustive
from ipa.policy.fixed import seen_by
from ipa.ports import Outcome
from tests.pipelines import two_stages
from tests.world import World


def story(
    world: World,
    pipeline: Pipeline,
    seconds: float,
    *,
    hold_s: float = 30.0,
    min_gain: float = 0.0,
    interval_s: float = 5.0,
) -> list[Turn]:
    config = Config(
        pipeline,
        Path(),
        forecast=ForecastSettings("last"),
        control=ControlSettings(interval_s, hold_s, min_gain),
    )
    loop = Loop(config, exhaustive.solve, world, world, world, world.apply)
    return list(loop.turns(seconds))


def variants(plan: Plan | None) -> list[str]:
    return [a.variant for a in plan.allocations] if plan else []


def plan(detect: tuple[str, int, int], classify: tuple[str, int, int]) -> Plan:
    return Plan(
        tuple(
            Allocation(stage, variant, "cpu", 1, batch, replicas)
            for stage, (variant, batch, replicas) in (("detect", detect), ("classify", classify))
        )
    )


THREE_CORES = two_stages(Limits(cores=3))


def test_the_first_plan_waits_for_one_observed_second() -> None:
    world = World({0: 10})
    turns = story(world, THREE_CORES, 10)
    assert [t.decision.reason for t in turns[:2]] == ["held: no arrivals observed yet", "nothing runs yet"]
    assert variants(world.plan) == ["large", "heavy"]


def test_a_rise_is_answered_at_once_and_a_fall_after_the_hold() -> None:
    world = World({0: 10, 60: 90, 120: 10})
    turns = story(world, THREE_CORES, 200)
    applied = [(t.at_s, variants(t.decision.plan)) for t in turns if t.decision.plan]
    assert applied == [(5, ["large", "heavy"]), (65, ["small", "heavy"]), (155, ["large", "heavy"])]
    reasons = {t.at_s: t.decision.reason for t in turns}
    assert reasons[65].startswith("the live plan cannot serve 90 requests/s: rate")
    assert reasons[130].startswith("held: better by")
    assert "for 30 s" in reasons[155]


def test_a_short_dip_of_the_load_changes_nothing() -> None:
    world = World({0: 90, 60: 10, 80: 90})
    turns = story(world, THREE_CORES, 150)
    assert [t.at_s for t in turns if t.decision.plan] == [5]


def test_a_pause_of_the_load_is_held_too() -> None:
    world = World({0: 90, 60: 0, 80: 90})
    turns = story(world, THREE_CORES, 150)
    assert [t.at_s for t in turns if t.decision.plan] == [5]


def test_a_gain_within_min_gain_is_not_worth_a_change() -> None:
    world = World({0: 90, 60: 10})
    turns = story(world, THREE_CORES, 150, min_gain=100.0)
    assert len(world.applied) == 1
    assert turns[-1].decision.reason.startswith("kept: the best plan gains")


def test_more_replicas_of_the_same_variant_are_never_held() -> None:
    problem = price(two_stages(Limits(replicas=9)), 15.0)
    live = plan(("large", 1, 1), ("light", 1, 1))
    wanted = exhaustive.solve(price(two_stages(Limits(replicas=9)), 30.0))
    assert wanted.evaluation is not None
    assert variants(wanted.evaluation.plan) == ["large", "heavy"]
    decision, _ = decide(problem, wanted, live, ControlSettings(), Hold(), 0.0)
    assert decision.reason == "more replicas of the same variant"
    assert decision.plan == plan(("large", 1, 2), ("light", 1, 1))  # the change of variant is still held


def test_overload_takes_the_plan_of_the_largest_rate_and_stays_there() -> None:
    world = World({0: 10, 30: 500})
    turns = story(world, THREE_CORES, 60)
    overloaded = [t for t in turns if t.decision.reason.startswith("overload")]
    assert [t.at_s for t in overloaded] == [35, 40, 45, 50, 55, 60]
    assert [t.decision.plan is not None for t in overloaded] == [True] + [False] * 5
    assert world.plan == plan(("small", 4, 2), ("light", 4, 1))


def test_without_any_plan_nothing_is_touched() -> None:
    world = World({0: 10}, plan=plan(("small", 1, 1), ("light", 1, 1)))
    turns = story(world, two_stages(slo_s=0.001), 20)
    assert world.applied == []
    assert turns[-1].decision.reason == "no plan meets the limits at any rate"


def test_a_live_plan_that_a_baseline_may_not_run_is_replaced_though_it_is_better() -> None:
    better = plan(("large", 1, 1), ("heavy", 1, 1))
    world = World({0: 10}, plan=better)
    config = Config(THREE_CORES, Path(), forecast=ForecastSettings("last"), control=ControlSettings(5.0))
    loop = Loop(config, POLICIES["fa2-low"], world, world, world, world.apply, seen=partial(seen_by, "fa2-low"))
    reasons = [t.decision.reason for t in loop.turns(15.0)]
    assert variants(world.plan) == ["small", "light"]
    assert (
        reasons[1:] == ["the live plan holds an option that is not to choose from"] + ["the live plan is the best"] * 2
    )


def test_a_baseline_raises_the_replicas_it_fixes() -> None:
    pipeline = replace(two_stages(), policies={"rim": {"detect": Fixed(replicas=3)}})
    problem = price(pipeline, 10.0)
    live = plan(("large", 1, 1), ("heavy", 1, 1))
    decision, _ = decide(seen_by("rim", problem), POLICIES["rim"](problem), live, ControlSettings(), Hold(), 0.0)
    assert decision.plan == plan(("large", 1, 3), ("heavy", 1, 1))


def test_a_blind_monitor_holds_the_plan_and_the_hold_starts_anew() -> None:
    world = World({0: 90, 60: 10}, blind=(80, 90))
    turns = story(world, THREE_CORES, 150)
    reasons = {t.at_s: t.decision.reason for t in turns}
    assert reasons[80] == "held: monitor: no answer"
    assert [t.at_s for t in turns if t.decision.plan] == [5, 120]


def test_a_turn_that_overruns_skips_what_it_missed() -> None:
    world = World({0: 10}, apply_s=12.0)
    turns = story(world, THREE_CORES, 40)
    assert [t.at_s for t in turns] == [0, 5, 20, 25, 30, 35, 40]


def test_an_apply_that_fails_is_recorded_and_tried_again() -> None:
    world = World({0: 10})

    def refuse(_: Plan) -> Outcome:
        raise ServingError("detect/large died at start")

    config = Config(THREE_CORES, Path(), forecast=ForecastSettings("last"), control=ControlSettings(5.0))
    turns = list(Loop(config, exhaustive.solve, world, world, world, refuse).turns(10.0))
    assert [t.outcome.detail for t in turns if t.outcome] == ["detect/large died at start"] * 2


def test_a_live_plan_is_not_too_slow_for_its_unfilled_batches() -> None:
    live = evaluate_live(price(THREE_CORES, 0.5), plan(("small", 4, 1), ("light", 4, 1)))
    assert live is not None
    assert live.feasible
    assert live.latency_s == 0.032 + 0.008
