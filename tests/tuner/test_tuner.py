"""The tuner's rules and their damping, as stories on counts per tick; no clock, no world."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.domain import Allocation, Plan
from ipa.options import price_list
from ipa.tuner import RULES, Planned, Tuner, planned_for, planned_on
from ipa.workload.counts import Counts
from ipa.workload.envelope import LONGEST_S, TICK_S, ticks_of
from tests.pipelines import two_stages

PRICES = price_list(two_stages())
PLAN = Plan((Allocation("detect", "large", "cpu", 1, 1, 5), Allocation("classify", "light", "cpu", 1, 4, 2)))


def gamma(rate_rps: float, cv: float = 1.0, seconds: float = LONGEST_S, seed: int = 1) -> Counts:
    rng = np.random.default_rng(seed)
    arrivals_s = np.cumsum(rng.gamma(1 / cv**2, cv**2 / rate_rps, int(2 * rate_rps * seconds) + 50))
    return ticks_of(arrivals_s, 0.0, seconds)


def even(rate_rps: float, seconds: float = LONGEST_S) -> Counts:
    return ticks_of(np.arange(0, seconds, 1 / rate_rps) + 1e-6, 0.0, seconds)


def planned(rate_rps: float = 80.0, cv: float = 1.0) -> Planned:
    found = planned_for(PRICES, PLAN, rate_rps, cv)
    assert found is not None
    return found


def tuner(rule: str, rate_rps: float = 80.0, cv: float = 1.0) -> Tuner:
    return Tuner(RULES[rule]).on(planned(rate_rps, cv), 0.0)


def running(*replicas: int) -> Plan:
    return Plan(tuple(replace(a, replicas=n) for a, n in zip(PLAN.allocations, replicas, strict=True)))


@pytest.mark.parametrize("cv", [1.0, 4.0])
def test_fresh_traffic_of_the_same_law_leaves_the_ratio_nearly_alone(cv: float) -> None:
    """Where the literal rule asks for several times the replicas, as it compares a burst with the mean."""
    for seed in range(5):
        ticks = gamma(80.0, cv, seed=seed)
        like, _ = tuner("ratio", cv=cv).step(1.0, PLAN, ticks)
        assert like.replicas[0] <= 1.4 * 5
    wide = gamma(80.0, cv, seed=3)
    wide[100:105] += 40
    literal, _ = tuner("literal", cv=cv).step(1.0, PLAN, wide)
    assert literal.replicas[0] > 2 * 5


@pytest.mark.parametrize("rule", RULES)
def test_twice_the_load_is_followed_at_once(rule: str) -> None:
    wish, after = tuner(rule).step(0.5, PLAN, gamma(160.0))
    assert wish.replicas[0] >= 9
    assert wish.replicas[1] >= 4
    assert "exceeds" in wish.reason
    assert after.away_since_s == 0.5


def test_the_ratio_is_that_of_the_worst_window() -> None:
    own = planned_on(PRICES, PLAN, even(50.0))
    assert own is not None
    burst = even(50.0)
    burst[1000:1050] *= 3  # a second at three times the rate
    wish, _ = Tuner(RULES["ratio"]).on(own, 0.0).step(1.0, PLAN, burst)
    assert wish.replicas == (15, 6)


def test_a_load_that_lasts_is_carried_though_the_ratio_tolerates_it() -> None:
    """detect carries 20 requests/s a replica: 5 are just enough for 99, not for 101."""
    bursts = even(99.0)
    bursts[::1500] += 20  # so that no narrow window is beyond what was planned
    tight = planned_on(PRICES, PLAN, bursts)
    assert tight is not None
    tuned = Tuner(RULES["ratio"]).on(tight, 0.0)
    assert tuned.step(1.0, PLAN, even(99.0))[0].replicas == (5, 2)
    assert tuned.step(1.0, PLAN, even(101.0))[0].replicas == (6, 2)


def test_the_literal_rule_is_k_times_r_over_the_mean_rate() -> None:
    own = planned_on(PRICES, PLAN, even(50.0))
    assert own is not None
    wish, _ = Tuner(RULES["literal"]).on(own, 0.0).step(1.0, PLAN, even(100.0))
    now = max(float(even(100.0)[i : i + w].sum()) / (w * TICK_S) for w in own.widths[:1] for i in range(200))
    assert wish.replicas == (int(np.ceil(5 * now / 50 - 1e-9)), int(np.ceil(2 * now / 50 - 1e-9)))


@pytest.mark.parametrize("rule", RULES)
def test_replicas_go_only_after_the_stabilisation(rule: str) -> None:
    quiet, now = gamma(20.0), tuner(rule).changed(100.0, None)
    early, _ = now.step(114.9, PLAN, quiet)
    assert early.replicas == (5, 2)
    late, _ = now.step(115.0, PLAN, quiet)
    assert late.replicas < (5, 2)
    assert min(late.replicas) >= 1


@pytest.mark.parametrize("rule", RULES)
def test_what_the_optimiser_wants_now_is_not_taken_away_only_what_is_beyond(rule: str) -> None:
    quiet, now = gamma(20.0), tuner(rule)
    assert now.step(59.0, PLAN, quiet)[0].replicas == (5, 2)
    if rule == "ratio":  # the literal rule counts the load by the least used stage and keeps more
        assert now.step(59.0, running(9, 2), quiet)[0].replicas == (5, 2)
    assert now.step(60.0, PLAN, quiet)[0].replicas < (5, 2)
    confirmed = now.on(planned(60.0), 50.0)
    assert confirmed.step(60.0, PLAN, quiet)[0].replicas == (5, 2)


def test_the_stabilisation_follows_the_measured_start() -> None:
    slow = tuner("ratio").changed(100.0, start_s=20.0)
    assert slow.stable_s == 60.0
    assert slow.step(159.0, PLAN, gamma(20.0))[0].replicas == (5, 2)
    assert slow.step(160.0, PLAN, gamma(20.0))[0].replicas < (5, 2)
    assert slow.changed(170.0, start_s=None).stable_s == 60.0


@pytest.mark.parametrize("rule", RULES)
def test_little_history_takes_nothing_away(rule: str) -> None:
    wish, _ = tuner(rule).step(100.0, PLAN, gamma(1.0, seconds=4.0))
    assert wish.replicas == (5, 2)


@pytest.mark.parametrize("rule", RULES)
def test_what_was_taken_away_comes_back_with_the_load(rule: str) -> None:
    """Fewer replicas than planned meet as much less, though nothing exceeds what was planned."""
    wish, _ = tuner(rule).step(100.0, running(2, 1), gamma(80.0, seed=7))
    assert wish.replicas[0] >= 4
    assert wish.replicas[1] == 2


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None)
@given(rate_rps=st.floats(0.5, 400), cv=st.sampled_from([1.0, 4.0]), n=st.integers(1, 20), seed=st.integers(0, 50))
def test_a_step_that_took_replicas_away_is_not_undone_by_the_next(
    rule: str, rate_rps: float, cv: float, n: int, seed: int
) -> None:
    ticks = gamma(rate_rps, cv, seed=seed)
    wish, after = tuner(rule).step(100.0, running(n, n), ticks)
    again, _ = after.changed(100.0, None).step(101.0, running(*wish.replicas), ticks)
    assert again.replicas == wish.replicas
    assert min(wish.replicas) >= 1


def test_a_plan_of_other_servers_is_left_alone() -> None:
    other = Plan((replace(PLAN.allocations[0], variant="small"), PLAN.allocations[1]))
    wish, _ = tuner("ratio").step(1.0, other, gamma(800.0))
    assert wish.replicas == (5, 2)
    assert Tuner(RULES["ratio"]).step(1.0, PLAN, gamma(800.0))[0].replicas == (5, 2)


def test_replicas_that_stay_away_from_the_plan_ask_for_a_new_one() -> None:
    now, asked = tuner("ratio"), []
    for second in range(1, 130):
        wish, now = now.step(float(second), running(10, 4), gamma(160.0))
        if wish.replan:
            asked.append(second)
    assert asked == [61, 121]


def test_a_plan_kept_at_a_lower_rate_goes_on_for_what_it_was_made_for() -> None:
    first = tuner("ratio", 80.0)
    assert first.on(planned(60.0), 50.0).planned == first.planned
    assert first.on(planned(90.0), 50.0).planned == planned(90.0)


def test_a_plan_without_a_rate_or_a_price_is_none_to_tune() -> None:
    assert planned_for(PRICES, PLAN, 0.0, 1.0) is None
    assert planned_on(PRICES, Plan((replace(PLAN.allocations[0], cores=9), PLAN.allocations[1])), even(5.0)) is None


def test_memory_does_not_grow_with_the_rate() -> None:
    sizes = []
    for rate_rps in (10.0, 1000.0):
        now, ticks = tuner("ratio", rate_rps), gamma(rate_rps)
        tracemalloc.start()
        now.step(1.0, PLAN, ticks)
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[1] < 1.5 * sizes[0] + 4096
