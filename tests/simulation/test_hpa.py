"""The HPA against the examples of its documentation, stories on a virtual clock, and the rule told a second time."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.simulation.hpa import Hpa, recommended, start
from ipa.simulation.load import Load

EXAMPLES = [
    ("the documentation's 200m where 100m is wanted doubles", 3, 3, 0.2, 0.1, 6),
    ("its 50m where 100m is wanted halves", 4, 4, 0.05, 0.1, 2),
    ("the walkthrough's 305 % of 50 % takes one replica to 7", 1, 1, 3.05, 0.5, 7),
    ("TestReplicaCalcScaleUp: 50 % of 30 %", 3, 3, 0.5, 0.3, 5),
    ("TestReplicaCalcScaleDown: 28 % of 50 %", 5, 5, 0.28, 0.5, 3),
    ("TestReplicaCalcScaleUpUnreadyLessScale: the one not ready counts as idle", 3, 2, 0.6, 0.3, 4),
    ("TestReplicaCalcScaleUpUnreadyNoScale: with the idle ones it would shrink, so it stays", 3, 1, 0.4, 0.3, 3),
    ("TestReplicaCalcScaleDownIncludeUnreadyPods: downwards the others are left out", 5, 3, 0.3, 0.5, 2),
    ("10 % above the target is within the tolerance", 10, 10, 0.88, 0.8, 10),
    ("10 % below it too", 10, 10, 0.72, 0.8, 10),
    ("a little more is not", 10, 10, 0.89, 0.8, 12),
    ("a little less is not", 10, 10, 0.71, 0.8, 9),
    ("all busy asks for a quarter more", 8, 8, 1.0, 0.8, 10),
    ("an idle stage needs nothing; the bounds keep one", 8, 8, 0.0, 0.8, 0),
    ("nothing is ready yet: nothing is known", 3, 0, 0.0, 0.8, 0),
]


@pytest.mark.parametrize(("sentence", "current", "ready", "utilisation", "target", "wanted"), EXAMPLES)
def test_the_recommendation_is_the_documented_one(
    sentence: str, current: int, ready: int, utilisation: float, target: float, wanted: int
) -> None:
    assert recommended(current, ready, utilisation, target) == wanted, sentence


def story(hpa: Hpa, seconds: int, busy: Callable[[float, int], float], since_s: int = 0) -> tuple[Hpa, dict[int, int]]:
    """What it wants whenever that changes, in a cluster that does at once what it is told."""
    changes: dict[int, int] = {}
    for now_s in range(since_s + 1, since_s + seconds + 1):
        after = hpa.after(Load(float(now_s), hpa.wanted, busy(now_s, hpa.wanted), 0.0))
        if after.wanted != hpa.wanted:
            changes[now_s] = after.wanted
        hpa = after
    return hpa, changes


def all_busy(now_s: float, replicas: int) -> float:
    return float(replicas)


def idle(now_s: float, replicas: int) -> float:
    return 0.0


def test_it_looks_every_15_seconds_at_the_mean_since_it_last_looked() -> None:
    _, changes = story(start(0.0, 4), 30, lambda now_s, replicas: 4.0 if now_s > 10 else 3.0)
    assert changes == {30: 5}  # 3.33 of 4 busy is within the tolerance of 0.8; then 4 of 4


def test_all_replicas_busy_is_answered_with_a_quarter_more_at_every_look() -> None:
    _, changes = story(start(0.0, 4), 75, all_busy)
    assert changes == {15: 5, 30: 7, 45: 9, 60: 12, 75: 15}


def test_it_adds_at_most_4_or_as_many_as_there_are() -> None:
    _, changes = story(start(0.0, 1, target=0.01), 60, all_busy)
    assert changes == {15: 5, 30: 10, 45: 20, 60: 40}


def test_it_adds_no_more_than_the_most_it_may_have() -> None:
    _, changes = story(start(0.0, 1, most=7, target=0.01), 60, all_busy)
    assert changes == {15: 5, 30: 7}


def test_the_number_it_starts_with_holds_for_five_minutes_of_idleness() -> None:
    _, changes = story(start(0.0, 6), 400, idle)
    assert changes == {300: 1}


def test_the_highest_recommendation_of_the_last_five_minutes_holds() -> None:
    hpa, up = story(start(0.0, 4), 30, all_busy)
    assert up == {15: 5, 30: 7}
    _, down = story(hpa, 400, lambda now_s, replicas: 3.0 if now_s <= 90 else 0.0, since_s=30)
    # 7 was asked for at 30 s and is forgotten at 330 s; from then 4 of 90 s holds until 390 s.
    assert down == {330: 4, 390: 1}


def test_a_short_dip_changes_nothing() -> None:
    _, changes = story(start(0.0, 10), 600, lambda now_s, replicas: 0.0 if 100 < now_s < 300 else 8.0)
    assert changes == {}


def test_replicas_that_do_not_get_ready_are_not_asked_for_again() -> None:
    hpa = start(0.0, 4)
    for now_s in range(1, 61):  # all four stay busy, and the fifth never comes up
        hpa = hpa.after(Load(float(now_s), 4, 4.0, 0.0))
    assert hpa.wanted == 5


SERIES = st.lists(st.tuples(st.integers(0, 12), st.floats(0, 1)), max_size=120)


def loads(series: list[tuple[int, float]], step_s: float = 5.0) -> list[Load]:
    return [Load(step_s * (i + 1), n, n * share, 0.0) for i, (n, share) in enumerate(series)]


def told_again(first: int, samples: list[Load], target: float) -> list[int]:
    """The controller in its own terms: lists of recommendations and scale events with times, and bounds for both."""
    spec, synced_s = first, 0.0
    seen: list[Load] = []
    recommendations = [(0.0, first)]
    ups: list[tuple[float, int]] = []
    wanted: list[int] = []
    for load in samples:
        seen.append(load)
        if load.at_s - synced_s >= 15:
            now, ready = load.at_s, load.replicas
            usage = sum(x.busy for x in seen) / max(1, sum(x.replicas for x in seen)) / target
            unready = max(0, spec - ready) if usage > 1 else 0
            new = usage * ready / max(1, ready + unready)
            same = abs(1 - new) <= 0.1 + 1e-9 or (unready > 0 and new < 1)
            asked = spec if same else ceil(new * (ready + unready) - 1e-9)
            window = [n for t, n in recommendations if t > now - 300]
            recommendations.append((now, asked))
            desired = max([asked, *window]) if asked < spec else asked
            begin = spec - sum(n for t, n in ups if t > now - 15)
            after = max(1, min(desired, max(begin + 4, ceil(begin * 2), spec)))
            if after > spec:
                ups.append((now, after - spec))
            spec, synced_s, seen = after, now, []
        wanted.append(spec)
    return wanted


@settings(deadline=None, max_examples=60)
@given(SERIES, st.integers(1, 12), st.sampled_from([0.1, 0.5, 0.8]))
def test_it_does_what_the_controller_does(series: list[tuple[int, float]], first: int, target: float) -> None:
    hpa, wanted = start(0.0, first, target=target), []
    for load in loads(series):
        hpa = hpa.after(load)
        wanted.append(hpa.wanted)
    assert wanted == told_again(first, loads(series), target)
    assert all(n >= 1 for n in wanted)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 50), st.integers(0, 50), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_utilisation_never_asks_for_fewer(current: int, ready: int, one: float, other: float) -> None:
    ready = min(current, ready)
    low, high = sorted((one, other))
    assert recommended(current, ready, low) <= recommended(current, ready, high)
