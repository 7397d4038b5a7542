"""What failed rollouts teach: believed for a while that doubles, and given up where it is shown to be wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipa.adapters.kubernetes.learned import (
    LONGEST_S,
    NOTHING,
    barred,
    in_force,
    learned_document,
    learned_from,
    proven,
    short,
)
from ipa.domain import Allocation, Plan

LARGE = Allocation("detect", "large", "cpu", 1, 1, 2)
FIRST_S = 60.0


def test_a_bar_lasts_twice_as_long_with_every_failure_in_a_row() -> None:
    learned, now_s = NOTHING, 0.0
    for wanted_s in (60.0, 120.0, 240.0):
        learned = barred(learned, [LARGE], "not ready", FIRST_S, now_s)
        assert in_force(learned, now_s + wanted_s - 1).bars
        now_s += wanted_s
        assert not in_force(learned, now_s).bars


def test_a_bar_has_an_end() -> None:
    learned = NOTHING
    for _ in range(100):
        learned = barred(learned, [LARGE], "", FIRST_S, 0.0)
    assert not in_force(learned, LONGEST_S).bars


def test_a_server_that_became_ready_is_no_longer_barred() -> None:
    learned = barred(NOTHING, [LARGE], "", FIRST_S, 0.0)
    assert proven(learned, Plan((LARGE,))) == NOTHING


def test_a_plan_that_found_more_room_ends_the_belief_in_less() -> None:
    learned = short(NOTHING, 1, "full", FIRST_S, 0.0)
    assert proven(learned, Plan((LARGE,))) == NOTHING  # 2 cores run
    roomy = short(NOTHING, 5, "full", FIRST_S, 0.0)
    assert proven(roomy, Plan((LARGE,))) == roomy


def test_a_clock_that_was_set_back_does_not_bar_for_ever() -> None:
    learned = short(barred(NOTHING, [LARGE], "", FIRST_S, 1e9), 3, "", FIRST_S, 1e9)
    assert in_force(learned, 1e9 - 86400) == NOTHING


@given(st.lists(st.sampled_from([1, 2, 4]), max_size=5), st.floats(0, 2e9), st.integers(0, 100))
def test_it_survives_the_way_to_json_and_back(cores: list[int], now_s: float, room: int) -> None:
    servers = [Allocation("a", "b", "cpu", n, 1, 1) for n in cores]
    learned = short(barred(NOTHING, servers, "why", FIRST_S, now_s), room, "full", FIRST_S, now_s)
    assert learned_from(learned_document(learned)) == learned
    assert learned_from({}) == NOTHING
