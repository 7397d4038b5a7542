"""Turns as a reader follows them."""

from __future__ import annotations

from ipa.domain import Allocation, Change, Plan
from ipa.ports import Outcome
from ipa.report.html.lanes import MOST_SEGMENTS, lanes
from ipa.report.html.story import Decision
from ipa.report.html.turns import MOST_ROWS, accuracies, plans, stretches


def plan(variant: str, replicas: int = 1) -> Plan:
    return Plan((Allocation("detect", variant, "cpu", 1, 1, replicas),))


def kept(at_s: float, reason: str, live: Plan | None = None) -> Decision:
    return Decision(at_s, reason, live=live)


def changed(at_s: float, before: str, after: str) -> Decision:
    a, b = plan(before), plan(after)
    change = Change("detect", a.allocations[0], b.allocations[0])
    return Decision(
        at_s, "better", live=a, wanted=b, accuracy=0.5, apply=b, changes=(change,), outcome=Outcome(True, 2)
    )


def test_turns_that_kept_for_the_same_reason_are_one_stretch_whatever_its_figures() -> None:
    turns = [
        kept(0, "held: better by 0.1 for 0 of 30 s"),
        kept(10, "held: better by 2e-05 for 10 of 30 s"),
        kept(20, "x"),
    ]
    assert [(s.first.at_s, s.last.at_s, s.turns) for s in stretches(turns).shown] == [(0, 10, 2), (20, 20, 1)]


def test_each_turn_that_changed_something_stands_alone() -> None:
    turns = [changed(0, "a", "b"), changed(10, "b", "a"), kept(20, "best")]
    assert [s.turns for s in stretches(turns).shown] == [1, 1, 1]


def test_of_ten_thousand_turns_few_are_shown_and_the_hidden_ones_counted() -> None:
    turns = [kept(i, f"reason {'ab'[i % 2]}") for i in range(10_000)]
    turns[5000] = changed(5000, "a", "b")
    found = stretches(turns)
    assert [s.first.at_s for s in found.shown] == [5000]
    assert found.hidden == 9_999


def test_of_ten_thousand_changes_the_first_and_the_last_are_shown() -> None:
    turns = [changed(i, "ab"[i % 2], "ba"[i % 2]) for i in range(10_000)]
    found = stretches(turns)
    assert len(found.shown) == MOST_ROWS
    assert (found.shown[0].first.at_s, found.shown[-1].first.at_s) == (0, 9_999)
    assert found.hidden == 10_000 - MOST_ROWS


def test_an_applied_plan_runs_from_the_end_of_the_change_on() -> None:
    ran = plans([kept(0, "", plan("a")), changed(10, "a", "b"), kept(20, "", plan("b"))])
    assert ran == ((0, plan("a")), (12, plan("b")))


def test_an_accuracy_is_known_from_any_turn_that_wanted_the_variants() -> None:
    turns = [kept(0, "", plan("a")), changed(10, "a", "b"), kept(20, "", plan("b", 2))]
    assert accuracies(plans(turns), turns) == ((0, None), (12, 0.5), (20, 0.5))


def test_lanes_cover_the_time_in_which_the_stage_ran() -> None:
    (lane,) = lanes(((0.0, plan("a")), (25.0, plan("b"))), 100.0, None)
    assert [(s.left, s.width, s.label, s.tone) for s in lane.segments] == [(0, 25, "1×a b1", 0), (25, 75, "1×b b1", 1)]
    assert lane.segments[1].title == "detect 1×b (cpu, 1 core, batch 1)\n0:25 – 1:40"


def test_a_lane_of_ten_thousand_changes_is_drawn_with_few_segments() -> None:
    (lane,) = lanes(tuple((float(i), plan("abc"[i % 3], i + 1)) for i in range(10_000)), 10_000.0, None)
    assert len(lane.segments) <= MOST_SEGMENTS
    assert sum(s.width for s in lane.segments) > 99.9


def test_a_stage_that_a_plan_lacks_has_a_hole_in_its_lane() -> None:
    other = Plan((Allocation("classify", "m", "cpu", 1, 1, 1),))
    detect, classify = lanes(((0.0, plan("a")), (50.0, other)), 100.0, None)
    assert [(s.left, s.width) for s in detect.segments] == [(0, 50)]
    assert [(s.left, s.width) for s in classify.segments] == [(50, 50)]
