"""The simulated cluster, monitor and clock: timelines by hand, and what holds of every change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.dataplane.arrivals import Arrivals
from ipa.diff import steps
from ipa.domain import Allocation, Config, Hardware, Limits, Plan, RouterSettings
from ipa.simulation.world import World
from ipa.workload.summary import ANSWERED
from tests.simulation.toys import plan, toy


def world(
    config: Config, start: Plan, arrivals_s: Sequence[float] = (), duration_s: float = 100.0, *, watching: bool = False
) -> World:
    return World(config, start, np.array(arrivals_s, dtype=np.float64), duration_s, watching=watching)


def cores(simulated: World) -> list[tuple[float, int]]:
    return [(each.at_s, each.cores) for each in simulated.spending]


def latencies(simulated: World, arrivals_s: Sequence[float]) -> dict[int, float]:
    """Of what was answered, by request."""
    return {
        int(request): at_s - arrivals_s[request]
        for part in simulated.finished
        for request, at_s, outcome in zip(part.request.tolist(), part.at_s.tolist(), part.outcome, strict=True)
        if outcome == ANSWERED
    }


def accuracies(simulated: World) -> dict[int, float]:
    return {r: a for part in simulated.finished for r, a in zip(part.request.tolist(), part.accuracy, strict=True)}


# --- changing: timelines by hand -----------------------------------------------------------------------------------


def test_growth_takes_the_load_time_and_cores_count_from_its_start() -> None:
    simulated = world(toy(load_s={"small": 3.0}), plan(("small", 1, 1)))
    simulated.sleep_until(10.0)
    outcome = simulated.apply(plan(("small", 1, 3)))
    assert (outcome.applied, outcome.seconds, outcome.detail) == (True, 3.0, "")
    assert simulated.now_s() == 13.0
    assert cores(simulated) == [(0.0, 2), (10.0, 4)]


def test_the_old_variant_serves_until_the_new_one_is_warm() -> None:
    arrivals_s = [0.5 * k for k in range(40)]
    simulated = world(toy(load_s={"large": 4.0}), plan(("small", 1, 1)), arrivals_s)
    simulated.sleep_until(5.0)
    assert simulated.apply(plan(("large", 1, 1))).seconds == 4.0
    simulated.drain()
    served = accuracies(simulated)
    assert len(served) == 40
    assert [served[k] for k in range(40)] == pytest.approx([0.70 * 0.8] * 18 + [0.90 * 0.8] * 22)
    assert latencies(simulated, arrivals_s)[17] == pytest.approx(0.015)
    assert latencies(simulated, arrivals_s)[18] == pytest.approx(0.055)


def test_cores_count_until_what_left_has_finished_its_batch() -> None:
    arrivals_s = [8.98]
    simulated = world(toy(load_s={"small": 4.0}), plan(("large", 1, 1)), arrivals_s)
    simulated.sleep_until(5.0)
    outcome = simulated.apply(plan(("small", 1, 1)))  # warm at 9; the old one is at work until 9.03
    assert outcome.seconds == pytest.approx(4.03)
    assert cores(simulated) == [(0.0, 2), (5.0, 3), (pytest.approx(9.03), 2)]
    simulated.drain()
    assert latencies(simulated, arrivals_s) == {0: pytest.approx(0.055)}


def test_a_stage_that_shrinks_drains_and_starts_nothing() -> None:
    simulated = world(toy(load_s={"small": 3.0}), plan(("small", 1, 3)))
    simulated.sleep_until(10.0)
    assert simulated.apply(plan(("small", 1, 1))).seconds == 0.0
    assert cores(simulated) == [(0.0, 4), (10.0, 2)]


def test_a_change_of_batch_restarts_nothing() -> None:
    arrivals_s = [1.0, 1.0, 1.0, 1.0, 1.0, 6.0, 6.0, 6.0, 6.0, 6.0]
    simulated = world(toy(load_s={"small": 3.0}), plan(("small", 1, 1)), arrivals_s)
    simulated.sleep_until(5.0)
    assert simulated.apply(plan(("small", 4, 1))).seconds == 0.0
    assert cores(simulated) == [(0.0, 2)]
    simulated.drain()
    # Five at once: 10 ms each one after the other; then one alone and four together in 32 ms, one by one behind.
    one_by_one = [0.015, 0.025, 0.035, 0.045, 0.055]
    in_batches = [0.015, 0.047, 0.052, 0.057, 0.062]
    assert sorted(latencies(simulated, arrivals_s).values()) == pytest.approx(sorted(one_by_one + in_batches))


def test_the_stages_change_one_after_the_other() -> None:
    simulated = world(toy(load_s={"large": 2.0, "heavy": 3.0}), plan(("small", 1, 1)))
    assert simulated.apply(plan(("large", 1, 2), ("heavy", 1, 1))).seconds == 5.0
    assert [(at_s, n) for at_s, n in cores(simulated) if at_s in (0.0, 2.0)][-1] == (2.0, 5)
    assert cores(simulated)[-1] == (5.0, 3)


def test_without_headroom_one_makes_room_for_the_other_and_the_dip_is_told() -> None:
    config = toy(Limits(cores=2), load_s={"large": 3.0})
    config = replace(config, control=replace(config.control, surge_cores=0.0))
    simulated = world(config, plan(("small", 1, 1)), [1.0, 2.0, 5.0])
    outcome = simulated.apply(plan(("large", 1, 1)))
    assert outcome.detail == "detect: less capacity during the change"
    assert max(n for _, n in cores(simulated)) == 2
    simulated.drain()
    assert list(latencies(simulated, [1.0, 2.0, 5.0])) == [2]  # nobody served before 3: refused, as by the router


def test_money_is_per_core_and_per_replica() -> None:
    config = toy()
    priced = replace(config.pipeline, hardware={"cpu": Hardware("cpu", 0.25, 2.0)})
    simulated = world(replace(config, pipeline=priced), plan(("small", 1, 3)))
    assert [each.cost_per_hour for each in simulated.spending] == [4 * 2.25]


# --- changing: what always holds -----------------------------------------------------------------------------------

ROWS = st.tuples(st.sampled_from(["small", "large"]), st.sampled_from([1, 4]), st.integers(1, 5))
PLANS = st.builds(
    plan, ROWS, st.tuples(st.sampled_from(["light", "heavy"]), st.sampled_from([1, 4]), st.integers(1, 4))
)
LOADS = {"small": 1.0, "large": 4.0, "heavy": 2.0, "light": 3.0}


def on_paper(before: Plan, after: Plan, limit: float | None, surge: float | None) -> list[tuple[float, int]]:
    """The supervisor's order: start what is missing, wait until all of it is warm, switch, stop the rest."""
    now_s, found = 0.0, []
    running = Counter({(a.stage, *a.server): a.replicas for a in before.allocations})
    for step in steps(before, after, limit, surge):
        target = Counter({(step.stage, *a.server): a.replicas for a in step.servers})
        started = {key: n - running[key] for key, n in target.items() if n > running[key]}
        if started:
            running.update(started)
            found.append((now_s, sum(key[3] * n for key, n in running.items())))
            now_s += max(LOADS[key[1]] for key in started)
        ended = [key for key, n in running.items() if key[0] == step.stage and n > target[key]]
        for key in ended:
            running[key] = target[key]
        if ended:
            found.append((now_s, sum(key[3] * n for key, n in running.items())))
    return [(0.0, before.total_cores), *found, (now_s, after.total_cores)]


@settings(deadline=None, max_examples=60)
@given(PLANS, PLANS, st.none() | st.integers(10, 14), st.none() | st.integers(0, 3))
def test_a_change_follows_the_steps_in_the_supervisors_order(
    before: Plan, after: Plan, limit: int | None, surge: int | None
) -> None:
    config = toy(Limits(cores=limit), load_s=LOADS)
    config = replace(config, control=replace(config.control, surge_cores=surge))
    simulated = world(config, before)
    outcome = simulated.apply(after)
    *way, (done_s, n) = on_paper(before, after, limit, surge)
    assert cores(simulated) == way
    assert (outcome.seconds, simulated.spending[-1].cores) == (done_s, n)
    assert simulated.live() == after
    if limit is not None:
        most = limit + (1 if surge is None else surge)
        assert max(each.cores for each in simulated.spending) <= most
    dips = {step.stage for step in steps(before, after, limit, surge) if step.dip}
    assert {note.split(":")[0] for note in outcome.detail.split("; ") if note} == dips


@settings(deadline=None, max_examples=40)
@given(PLANS, PLANS)
def test_with_headroom_no_stage_ever_has_fewer_replicas_than_before_and_after(before: Plan, after: Plan) -> None:
    simulated = world(toy(load_s=LOADS), before, watching=True)
    outcome = simulated.apply(after)
    simulated.sleep_until(simulated.now_s() + 1)
    assert outcome.detail == ""
    for loads, old, new in zip(simulated.samples(), before.allocations, after.allocations, strict=True):
        assert all(load.replicas >= min(old.replicas, new.replicas) for load in loads)
        assert loads[-1].replicas == new.replicas


@settings(deadline=None, max_examples=40)
@given(st.lists(PLANS, min_size=2, max_size=4), st.integers(0, 2**31))
def test_changes_amid_the_load_lose_no_request(plans: list[Plan], seed: int) -> None:
    arrivals_s = np.sort(np.random.default_rng(seed).uniform(0, 40, 400))  # 10/s; the slowest plan serves 20/s
    simulated = World(replace(toy(load_s=LOADS)), plans[0], arrivals_s, 40.0, seed)
    for number, each in enumerate(plans[1:]):
        simulated.sleep_until(5.0 * number)
        simulated.apply(each)
    simulated.sleep_until(40.0)
    simulated.drain()
    ended = np.concatenate([part.request for part in simulated.finished])
    outcomes = np.concatenate([part.outcome for part in simulated.finished])
    assert sorted(ended.tolist()) == list(range(400))
    assert (outcomes == ANSWERED).all()


# --- monitor -------------------------------------------------------------------------------------------------------

TIMES = st.lists(st.floats(0, 19.999), max_size=60).map(sorted)


@settings(deadline=None, max_examples=100)
@given(TIMES, st.floats(0, 20), st.sampled_from([0.4, 1.0, 2.5, 5.0, 60.0]))
def test_the_monitor_says_what_the_routers_does(times_s: list[float], now_s: float, window_s: float) -> None:
    simulated = world(toy(), plan(("small", 4, 5)), times_s, 20.0)
    simulated.sleep_until(now_s)
    counter = Arrivals(0.0)
    for at_s in times_s:
        if at_s < now_s:
            counter.count(at_s)
    router = counter.last(max(1, round(window_s)), now_s)  # as RouterMonitor asks
    assert simulated.arrivals(window_s) == router.counts


@settings(deadline=None, max_examples=60)
@given(TIMES, st.floats(0, 20), st.sampled_from([0.4, 3.0, 60.0]))
def test_what_comes_and_what_came_are_the_trace(times_s: list[float], now_s: float, window_s: float) -> None:
    simulated = world(toy(), plan(("small", 4, 5)), times_s, 20.0)
    simulated.sleep_until(now_s)
    assert sum(simulated.arrivals(100.0)) + sum(simulated.coming(100.0)) == len(times_s)
    assert list(simulated.coming(window_s)) == [
        sum(second <= at_s < second + 1 for at_s in times_s)
        for second in range(int(now_s), min(20, int(now_s) + ceil(window_s)))
    ]


# --- samples -------------------------------------------------------------------------------------------------------


def test_a_sample_is_taken_every_second_whatever_the_steps_of_the_clock() -> None:
    simulated = world(toy(load_s={"small": 2.0}), plan(("small", 1, 1)), watching=True)
    simulated.sleep_until(0.5)
    simulated.sleep_until(2.5)
    assert [load.at_s for load in simulated.samples()[0]] == [1.0, 2.0]
    simulated.apply(plan(("small", 1, 2)))  # until 4.5
    simulated.sleep_until(6.0)
    detect, classify = simulated.samples()
    assert [(load.at_s, load.replicas) for load in detect] == [(3.0, 1), (4.0, 1), (5.0, 2), (6.0, 2)]
    assert [load.replicas for load in classify] == [1, 1, 1, 1]
    assert simulated.samples() == ((), ())


def test_a_sample_says_how_busy_and_how_crowded_a_stage_was() -> None:
    simulated = world(toy(), plan(("large", 1, 1)), [0.0, 0.0, 0.98], watching=True)
    simulated.sleep_until(2.0)
    detect, classify = simulated.samples()
    # 50 ms each: at work 0…0.1 and 0.98…1.03; the second waits for 50 ms.
    assert [(x.busy, x.concurrency) for x in detect] == [pytest.approx((0.12, 0.17)), pytest.approx((0.03, 0.03))]
    assert [load.busy for load in classify] == pytest.approx([0.010, 0.005])


def test_nobody_is_sampled_unless_somebody_watches() -> None:
    simulated = world(toy(), plan(("small", 1, 1)))
    simulated.sleep_until(10.0)
    assert simulated.samples() == ((), ())


# --- clock and router ----------------------------------------------------------------------------------------------


def test_time_never_goes_back() -> None:
    simulated = world(toy(), plan(("small", 1, 1)))
    simulated.sleep_until(5.0)
    simulated.sleep_until(3.0)
    assert simulated.now_s() == 5.0


def test_a_queue_limit_of_one_lets_one_wait() -> None:
    config = replace(toy(), router=RouterSettings(queue_limit=1))
    simulated = world(config, plan(("large", 1, 1)), [0.0, 0.0, 0.0, 0.0])
    simulated.drain()
    assert sorted(latencies(simulated, [0.0] * 4)) == [0, 1]
    assert sum(int(part.full.sum()) for part in simulated.finished) == 2


def test_a_plan_is_live_and_ready_from_the_start() -> None:
    start = Plan((Allocation("detect", "small", "cpu", 1, 1, 1), Allocation("classify", "light", "cpu", 1, 1, 1)))
    simulated = world(toy(), start)
    assert (simulated.live(), simulated.ready(), simulated.now_s()) == (start, True, 0.0)
