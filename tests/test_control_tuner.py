"""The loop with a tuner, on ports that do as they are told: what holds it, what it may not do, what is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from ipa.control import Loop, Turn
from ipa.domain import UNCONSTRAINED, Allocation, Constraints, Limits, Plan
from ipa.errors import ServingError, Unavailable
from ipa.policy import auto
from ipa.ports import Outcome
from ipa.tuner import RULES, Tuner
from ipa.workload.counts import Counts
from ipa.workload.envelope import TICK_S
from tests.simulation.toys import toy
from tests.world import World

PLAN = Plan((Allocation("detect", "large", "cpu", 1, 1, 2), Allocation("classify", "heavy", "cpu", 1, 1, 1)))


@dataclass
class Traffic:
    """Even arrivals at the world's rate; between `blind` seconds it does not answer."""

    world: World
    blind: tuple[float, float] = (0.0, 0.0)
    asked: list[float] = field(default_factory=list)

    def ticks(self, window_s: float) -> Counts:
        now_s = self.world.now_s()
        self.asked.append(now_s)
        if self.blind[0] <= now_s < self.blind[1]:
            raise Unavailable("traffic: no answer")
        seconds = self.world.arrivals(window_s)
        per_second = round(1 / TICK_S)
        ends = (np.arange(per_second + 1)[None, :] * np.array(seconds)[:, None]) // per_second
        counts: Counts = np.diff(ends, axis=1).ravel()
        return counts


def turns(
    world: World,
    traffic: Traffic,
    until_s: float = 59.0,
    limits: Limits = Limits(),  # noqa: B008
    asked: Constraints = UNCONSTRAINED,
) -> list[Turn]:
    config = toy(limits)
    config = replace(config, control=replace(config.control, interval_s=30.0, tuner="ratio"))
    tuner = Tuner(RULES["ratio"])
    loop = Loop(config, auto.solve, world, world, world, world.apply, tuner=tuner, traffic=traffic)
    # Of the optimiser's turns they ask nothing, so that there is something to tune.
    loop.constraints = lambda: asked if world.now_s() % 30 != 1 else UNCONSTRAINED
    return list(loop.turns(until_s))


def rising() -> World:
    return World({0.0: 15, 40.0: 60}, plan=PLAN, at_s=1.0)


def of_tuner(done: list[Turn]) -> list[Turn]:
    return [turn for turn in done if turn.decision.reason.startswith("tuner")]


def test_a_rise_between_turns_is_followed_and_recorded() -> None:
    world = rising()
    traffic = Traffic(world)
    steps = of_tuner(turns(world, traffic))
    assert steps and 40.0 < steps[0].at_s <= 43.0
    first = steps[0]
    assert first.forecast is None and first.solution is None
    assert first.outcome == Outcome(True, 0.0)
    assert [change.stage for change in first.changes] == ["detect", "classify"]
    assert len(traffic.asked) > 40


def test_traffic_that_does_not_answer_holds_the_tuner_and_nothing_else() -> None:
    world = rising()
    done = turns(world, Traffic(world, blind=(35.0, 50.0)))
    held = [turn for turn in of_tuner(done) if turn.decision.plan is None]
    assert held and all(35.0 <= turn.at_s < 50.0 for turn in held)
    assert "tuner held: traffic: no answer" in held[0].decision.reason
    assert any(turn.at_s >= 50.0 and turn.decision.plan is not None for turn in of_tuner(done))


def test_what_has_no_room_is_not_started() -> None:
    world = rising()
    done = turns(world, Traffic(world), limits=Limits(cores=4))
    assert max(plan.total_cores for _, plan in world.applied) <= 4
    assert of_tuner(done)


@pytest.mark.parametrize("asked", [Constraints(hold="changed by hand"), Constraints(restore=PLAN, why="broken off")])
def test_where_the_cluster_asks_to_hold_or_to_restore_the_tuner_waits(asked: Constraints) -> None:
    world = rising()
    assert of_tuner(turns(world, Traffic(world), asked=asked)) == []


def test_a_barred_server_gets_no_more_replicas_and_missing_room_is_a_limit() -> None:
    world = rising()
    turns(world, Traffic(world), until_s=59.0, asked=Constraints(barred=(PLAN.allocations[0],)))
    assert max(plan.stage("detect").replicas for _, plan in world.applied) <= 2
    assert max(plan.stage("classify").replicas for _, plan in world.applied) > 1
    world = rising()
    turns(world, Traffic(world), until_s=59.0, asked=Constraints(cores=4))
    assert max(plan.total_cores for _, plan in world.applied) <= 4


def test_an_apply_that_fails_is_an_outcome_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = rising()
    tried: list[float] = []

    def fails(plan: Plan) -> Outcome:
        tried.append(world.now_s())
        raise ServingError("no room")

    monkeypatch.setattr(world, "apply", fails)
    steps = of_tuner(turns(world, Traffic(world), until_s=46.0))
    assert steps and all(turn.outcome and not turn.outcome.applied for turn in steps)
    assert len(tried) >= 3


def test_without_a_tuner_traffic_is_not_asked() -> None:
    world = rising()
    traffic = Traffic(world)
    config = toy()
    list(Loop(config, auto.solve, world, world, world, world.apply, traffic=traffic).turns(59.0))
    assert traffic.asked == []
