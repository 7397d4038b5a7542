"""The KPA against the examples of its own tests, stories on a virtual clock, and the rule told a second time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.simulation.kpa import Kpa, Panic, start
from ipa.simulation.load import Load

EXAMPLES = [
    ("stable mode: 50 requests of 10 a replica are 5 replicas", 5, 50, 50, 10, 5),
    ("TestAutoscalerStableModeDecrease: half the load, half the replicas", 8, 50, 50, 10, 5),
    ("one replica carries what is below its target", 1, 9, 9, 10, 1),
    ("a little above the target is two replicas, twice those there are: panic", 1, 11, 11, 10, 2),
    ("no load keeps one replica", 1, 0, 0, 10, 1),
    ("TestAutoscalerRateLimitScaleDown: down by half at most", 100, 10, 10, 10, 50),
    ("up by a thousand times at most", 1, 20_000, 20_000, 1, 1000),
    ("TestAutoscalerPanicModeDoublePodCount: the last 6 s ask for twice what runs", 5, 50, 100, 10, 10),
    ("what the last 6 s ask for is not quite twice what runs: stable decides", 6, 50, 110, 10, 5),
    ("TestAutoscalerUnpanicAfterSlowIncrease: the jump to 25", 10, 11, 25, 1, 25),
]


def a_minute(stable: float, panic: float, replicas: int) -> list[Load]:
    """Samples of 60 s whose means are `stable` over all of them and `panic` over the last 6."""
    before = (60 * stable - 6 * panic) / 54
    return [Load(t, replicas, 0.0, panic if t > 54 else before) for t in map(float, range(1, 61))]


def at_target(target: float, replicas: int = 1, panic: Panic | None = None) -> Kpa:
    return replace(start(0.0, replicas, 1), target=target, panic=panic)


@pytest.mark.parametrize(("sentence", "ready", "stable", "panic", "target", "wanted"), EXAMPLES)
def test_a_tick_decides_as_the_original(
    sentence: str, ready: int, stable: float, panic: float, target: float, wanted: int
) -> None:
    *before, last = a_minute(stable, panic, ready)
    kpa = replace(at_target(target, ready), samples=tuple(before), ticked_s=58.0)
    assert kpa.after(last).wanted == wanted, sentence


@pytest.mark.parametrize(("stable", "panic", "wanted"), [(50.0, 30.0, 50), (20.0, 30.0, 30)])
def test_in_panic_the_larger_of_both_windows_counts(stable: float, panic: float, wanted: int) -> None:
    *before, last = a_minute(stable, panic, 5)
    kpa = replace(at_target(1.0, 5, Panic(55.0, 5)), samples=tuple(before), ticked_s=58.0)
    assert kpa.after(last).wanted == wanted


def test_a_target_is_70_percent_of_what_a_replica_takes_at_once() -> None:
    assert start(0.0, 1, 8).target == pytest.approx(5.6)


def test_it_starts_in_panic_where_more_than_one_replica_runs() -> None:
    assert start(0.0, 1, 1).panic is None
    assert start(0.0, 2, 1).panic == Panic(0.0, 2)


def story(kpa: Kpa, seconds: int, concurrency: Callable[[int], float], since_s: int = 0) -> tuple[Kpa, dict[int, int]]:
    """What it wants whenever that changes, in a cluster that does at once what it is told."""
    changes: dict[int, int] = {}
    for now_s in range(since_s + 1, since_s + seconds + 1):
        after = kpa.after(Load(float(now_s), kpa.wanted, 0.0, concurrency(now_s)))
        if after.wanted != kpa.wanted:
            changes[now_s] = after.wanted
        kpa = after
    return kpa, changes


def test_the_replicas_it_starts_with_are_kept_for_a_minute_then_halved_at_every_tick() -> None:
    _, changes = story(at_target(1.0, 16, Panic(0.0, 16)), 80, lambda now_s: 0.0)
    assert changes == {62: 8, 64: 4, 66: 2, 68: 1}


def test_a_slow_rise_needs_no_panic_and_follows_the_last_minute() -> None:
    kpa, changes = story(at_target(1.0, 10), 60, lambda now_s: 10.0)
    assert changes == {}
    kpa, changes = story(kpa, 60, lambda now_s: 15.0, since_s=60)
    assert kpa.panic is None
    assert changes == {62: 11, 74: 12, 86: 13, 98: 14, 110: 15}  # 5 more, spread over the minute, rounded up


def test_a_burst_is_answered_within_the_panic_window_and_kept_until_a_minute_after_it() -> None:
    kpa, _ = story(at_target(1.0, 1), 60, lambda now_s: 1.0)
    kpa, up = story(kpa, 10, lambda now_s: 12.0, since_s=60)
    assert up == {62: 5, 64: 9, 66: 12}  # means over 6 s: 4.67, 8.33, 12; panic from 62 s, last over at 62 s
    kpa, down = story(kpa, 80, lambda now_s: 1.0, since_s=70)
    # At 64 s the 9 wanted are less than twice the 5 that run: the panic ends once 62 + 60 s have passed, at 124 s.
    assert down == {124: 6, 126: 3, 128: 2, 130: 1}


def test_a_burst_that_goes_on_prolongs_the_panic() -> None:
    kpa, _ = story(at_target(1.0, 1), 60, lambda now_s: 1.0)
    kpa, _ = story(kpa, 30, lambda now_s: 10.0 * 2 ** ((now_s - 60) / 3), since_s=60)
    assert kpa.panic is not None
    assert kpa.panic.over_s > 62


def test_no_more_than_the_most_it_may_have_and_panic_remembers_what_it_would() -> None:
    kpa, _ = story(replace(at_target(1.0, 1), most=4), 10, lambda now_s: 100.0)
    assert kpa.wanted == 4
    assert kpa.panic is not None
    assert kpa.panic.replicas == 100


SERIES = st.lists(st.tuples(st.integers(0, 12), st.floats(0, 60)), max_size=120)


def loads(series: list[tuple[int, float]]) -> list[Load]:
    return [Load(float(i + 1), n, 0.0, concurrency) for i, (n, concurrency) in enumerate(series)]


def wishes(kpa: Kpa, samples: list[Load]) -> list[int]:
    found = []
    for load in samples:
        kpa = kpa.after(load)
        found.append(kpa.wanted)
    return found


def told_again(first: int, target: float, samples: list[Load]) -> list[int]:
    """Scale() in its own terms: a panic time that may be none, and the most pods of the panic."""
    panic_time, most_pods, wanted, found = (0.0 if first > 1 else None), first, first, []
    for i, load in enumerate(samples):
        if i % 2 == 1:  # a tick of 2 s
            window = [x.concurrency for x in samples[: i + 1]]
            ready = max(1, load.replicas)
            dspc = ceil(sum(window[-60:]) / len(window[-60:]) / target - 1e-9)
            dppc = ceil(sum(window[-6:]) / len(window[-6:]) / target - 1e-9)
            stable, panic = (min(max(d, ready // 2), 1000 * ready) for d in (dspc, dppc))
            if dppc / ready >= 2:
                most_pods = 0 if panic_time is None else most_pods
                panic_time = load.at_s
            elif panic_time is not None and panic_time + 60 < load.at_s:
                panic_time = None
            wanted = stable
            if panic_time is not None:
                most_pods = wanted = max(stable, panic, most_pods)
            wanted = max(1, wanted)
        found.append(wanted)
    return found


@settings(deadline=None, max_examples=60)
@given(SERIES, st.integers(1, 12), st.sampled_from([0.7, 2.8, 10.0]))
def test_it_does_what_the_autoscaler_does(series: list[tuple[int, float]], first: int, target: float) -> None:
    panic = Panic(0.0, first) if first > 1 else None
    wanted = wishes(at_target(target, first, panic), loads(series))
    assert wanted == told_again(first, target, loads(series))
    assert all(n >= 1 for n in wanted)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0, 60), st.floats(0, 60)), max_size=120), st.integers(1, 12))
def test_more_requests_in_the_stage_never_ask_for_fewer(series: list[tuple[int, float, float]], first: int) -> None:
    low = wishes(start(0.0, first, 2), loads([(n, a) for n, a, _ in series]))
    high = wishes(start(0.0, first, 2), loads([(n, a + more) for n, a, more in series]))
    assert all(a <= b for a, b in zip(low, high, strict=True))
