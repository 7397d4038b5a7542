"""The tuner between the turns of the loop, in the simulated world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ipa.control import Turn
from ipa.domain import Config, Limits
from ipa.simulation.backtest import Run, row, run
from ipa.simulation.rivals import Rates, Rival, rival
from ipa.tuner.tuner import same_servers
from ipa.workload.processes import FloatArray
from tests.simulation.toys import toy

RATES = Rates(first_rps=20.0, mean_rps=20.0, peak_rps=60.0)


def tuned(config: Config, rule: str, interval_s: float = 60.0) -> Config:
    return replace(config, control=replace(config.control, tuner=rule, interval_s=interval_s, hold_s=0.0))


def spike(seed: int = 0) -> FloatArray:
    """20 requests/s, and 80 in the seconds 130 to 160."""
    rng = np.random.default_rng(seed)
    parts = [start + np.sort(rng.random(int(rate * length)) * length) for start, length, rate in SPIKE]
    return np.concatenate(parts)


SPIKE = ((0.0, 130.0, 20.0), (130.0, 30.0, 80.0), (160.0, 140.0, 20.0))


def through(config: Config) -> Run:
    found = rival("auto", config, RATES)
    assert isinstance(found, Rival)
    return run(found, spike(), 300.0)


def of_tuner(done: Run) -> list[Turn]:
    return [turn for turn in done.turns if turn.decision.reason.startswith("tuner")]


@pytest.mark.parametrize("rule", ["ratio", "literal"])
def test_a_spike_between_two_turns_is_followed_within_seconds(rule: str) -> None:
    plain, done = through(tuned(toy(), "off")), through(tuned(toy(), rule))
    steps = of_tuner(done)
    assert not of_tuner(plain)
    first = next(turn.at_s for turn in steps if turn.at_s >= 130.0)
    assert first <= 135.0
    missed = [1 - (row(each).slo_share or 0.0) for each in (done, plain)]
    assert missed[0] < missed[1] / 2
    for turn in steps:
        assert turn.observation is not None and turn.observation.live is not None and turn.decision.plan is not None
        assert same_servers(turn.observation.live, turn.decision.plan)


def test_after_the_spike_the_replicas_go_again() -> None:
    done = through(tuned(toy(), "ratio"))
    cores = [plan.total_cores for _, plan in done.plans]
    assert cores[-1] < max(cores)


def test_the_limits_hold_for_the_tuner_too() -> None:
    limited = toy(Limits(cores=8, replicas=5))
    for _, plan in through(tuned(limited, "literal")).plans:
        assert plan.total_cores <= 8
        assert max(a.replicas for a in plan.allocations) <= 5


def test_it_asks_for_a_new_plan_long_before_the_next_turn_is_due() -> None:
    rng = np.random.default_rng(0)
    arrivals_s = np.concatenate([np.sort(rng.random(4000) * 200), 200 + np.sort(rng.random(32_000) * 400)])
    found = rival("auto", tuned(toy(), "ratio", interval_s=150.0), RATES)
    assert isinstance(found, Rival)
    done = run(found, arrivals_s, 600.0)
    turns = [turn.at_s for turn in done.turns if not turn.decision.reason.startswith("tuner")]
    assert any(260.0 < at_s < 299.0 for at_s in turns)


def test_an_autoscaler_is_not_tuned() -> None:
    found = rival("hpa", tuned(toy(), "ratio"), RATES)
    assert isinstance(found, Rival)
    assert found.config.control.tuner == "off"
