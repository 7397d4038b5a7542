from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.dataplane.queue import Rule, StageQueue, Waiting

ENDLESS = 1e9


def greedy(batch: int, remaining_s: float = 0.0, drop_after_s: float = ENDLESS) -> Rule:
    return Rule(batch, 0.0, remaining_s, drop_after_s)


def full(batch: int, wait_s: float, remaining_s: float = 0.0, drop_after_s: float = ENDLESS) -> Rule:
    return Rule(batch, wait_s, remaining_s, drop_after_s)


def waiting(name: int, rows: int = 1, kind: str | None = "a", received_s: float = 0.0) -> Waiting[int]:
    return Waiting(name, rows, kind, received_s, received_s)


def names(places: tuple[Waiting[int], ...]) -> list[int]:
    return [place.content for place in places]


def filled(*places: Waiting[int], limit: int = 1000) -> StageQueue[int]:
    queue: StageQueue[int] = StageQueue(limit)
    for place in places:
        assert queue.put(place)
    return queue


@pytest.mark.parametrize(
    ("row_counts", "batch", "expected", "why"),
    [
        ([1, 1, 1], 2, [0, 1], "no more rows than the batch"),
        ([1, 1], 8, [0, 1], "greedy: fewer than the batch are taken at once"),
        ([5, 1], 4, [0], "a request larger than the batch goes alone, never split"),
        ([3, 2, 1], 4, [0], "the second does not fit, and the third may not overtake it"),
        ([2, 2, 1], 4, [0, 1], "whole requests up to exactly the batch"),
    ],
)
def test_rows_bound_a_batch(row_counts: list[int], batch: int, expected: list[int], why: str) -> None:
    queue = filled(*(waiting(i, count) for i, count in enumerate(row_counts)))
    assert names(queue.take(0.0, greedy(batch)).batch) == expected, why


def test_requests_of_two_kinds_never_share_a_batch() -> None:
    queue = filled(waiting(0), waiting(1, kind="b"), waiting(2))
    assert names(queue.take(0.0, greedy(8)).batch) == [0]
    assert names(queue.take(0.0, greedy(8)).batch) == [1]
    assert names(queue.take(0.0, greedy(8)).batch) == [2]


@pytest.mark.parametrize(
    ("age_s", "dropped", "why"),
    [
        (7.75, [], "age + remaining is exactly drop_after: kept"),
        (7.8125, [0], "one step more: dropped"),
    ],
)
def test_the_drop_rule_at_its_boundary(age_s: float, dropped: list[int], why: str) -> None:
    queue = filled(waiting(0))
    assert names(queue.take(age_s, greedy(8, 0.25, 8.0)).dropped) == dropped, why


def test_a_dropped_request_does_not_use_up_the_batch() -> None:
    queue = filled(waiting(0, received_s=0.0), waiting(1, received_s=9.0), waiting(2, received_s=9.0))
    taken = queue.take(10.0, greedy(2, 0.0, 5.0))
    assert names(taken.dropped) == [0]
    assert names(taken.batch) == [1, 2]


def test_a_full_queue_refuses_but_takes_back_what_it_gave() -> None:
    queue = filled(waiting(0), waiting(1), limit=2)
    assert not queue.put(waiting(9))
    batch = queue.take(0.0, greedy(1)).batch
    assert queue.put(waiting(2))
    queue.put_back(batch)
    assert len(queue) == 3
    assert names(queue.clear()) == [0, 1, 2]
    assert len(queue) == 0


def test_a_client_that_left_frees_its_place() -> None:
    leaving = waiting(1)
    queue = filled(waiting(0), leaving, waiting(2))
    queue.discard(leaving)
    queue.discard(leaving)
    assert names(queue.take(0.0, greedy(8)).batch) == [0, 2]


request_rows = st.integers(1, 6)
kinds = st.sampled_from("ab")
ages = st.floats(0, 20)


@given(
    st.lists(st.tuples(request_rows, kinds, ages), max_size=40),
    st.integers(1, 8),
    st.floats(0, 5),
    st.lists(st.booleans(), max_size=40),
)
def test_nothing_is_lost_doubled_or_overtaken(
    requests: list[tuple[int, str, float]], batch: int, remaining_s: float, back: list[bool]
) -> None:
    queue = filled(*(waiting(i, n, kind, -age) for i, (n, kind, age) in enumerate(requests)))
    served: list[int] = []
    dropped: list[int] = []
    returns = iter(back)
    while len(queue):
        taken = queue.take(0.0, greedy(batch, remaining_s, 10.0))
        assert taken.batch or not len(queue)
        assert sum(place.rows for place in taken.batch) <= batch or len(taken.batch) == 1
        assert len({place.kind for place in taken.batch}) <= 1
        dropped += names(taken.dropped)
        if next(returns, False):
            queue.put_back(taken.batch)
        else:
            served += names(taken.batch)
    assert served == sorted(served), "first in, first out"
    assert sorted(served + dropped) == list(range(len(requests)))
    assert dropped == [i for i, (_, _, age) in enumerate(requests) if age + remaining_s > 10.0]


def test_requests_without_a_kind_share_with_nobody_and_wait_for_nobody() -> None:
    queue = filled(waiting(0, kind=None), waiting(1, kind=None), waiting(2))
    assert [names(queue.take(0.0, full(8, 5.0)).batch) for _ in range(2)] == [[0], [1]]
    assert queue.take(0.0, full(8, 5.0)).wait_until_s == 5.0


@pytest.mark.parametrize(
    ("row_counts", "now_s", "expected", "wait_until_s", "why"),
    [
        ([1, 1], 0.0, [], 2.0, "not full: it waits"),
        ([1, 1], 2.0, [0, 1], None, "at most its wait"),
        ([1, 1, 1, 1, 1], 0.0, [0, 1, 2, 3], None, "a full batch goes at once"),
        ([3, 2], 0.0, [0], None, "the next cannot join, so waiting fills nothing"),
        ([9], 0.0, [0], None, "larger than a batch: full"),
        ([], 0.0, [], None, "nobody is there"),
    ],
)
def test_full_waits_for_a_full_batch(
    row_counts: list[int], now_s: float, expected: list[int], wait_until_s: float | None, why: str
) -> None:
    queue = filled(*(waiting(i, count) for i, count in enumerate(row_counts)))
    taken = queue.take(now_s, full(4, 2.0))
    assert (names(taken.batch), taken.wait_until_s) == (expected, wait_until_s), why
    assert len(queue) == len(row_counts) - len(expected)


def test_the_first_of_a_batch_says_how_long_it_waits() -> None:
    queue = filled(waiting(0, received_s=1.0), waiting(1, received_s=1.5))
    assert queue.take(1.5, full(4, 2.0)).wait_until_s == 3.0
    assert names(queue.take(3.0, full(4, 2.0)).batch) == [0, 1]


def test_nobody_is_dropped_for_waiting_alone() -> None:
    """Half of what it has to spare, 10 − 4 s, is less than the wait of a minute."""
    queue = filled(waiting(0))
    assert queue.take(0.0, full(4, 60.0, 4.0, 10.0)).wait_until_s == 3.0
    assert names(queue.take(3.0, full(4, 60.0, 4.0, 10.0)).batch) == [0]


def test_who_is_barred_keeps_the_place_and_lets_the_others_pass() -> None:
    queue = filled(waiting(0), waiting(1), waiting(2))
    assert names(queue.take(0.0, greedy(8), lambda name: name == 0).batch) == [1, 2]
    assert queue.take(0.0, greedy(8), lambda name: name == 0).batch == ()
    assert names(queue.take(0.0, greedy(8)).batch) == [0]


@given(
    st.lists(st.tuples(request_rows, kinds, st.floats(0, 1)), min_size=1, max_size=30),
    st.integers(1, 8),
    st.floats(0, 5),
)
def test_full_takes_the_same_batches_as_greedy_but_never_one_that_may_still_fill(
    requests: list[tuple[int, str, float]], batch: int, wait_s: float
) -> None:
    """Time moves to when the queue says; what is left then is one batch that nobody behind could have filled."""
    now_s = 0.0
    waits = filled(*(waiting(i, n, kind, -age) for i, (n, kind, age) in enumerate(requests)))
    takes = filled(*(waiting(i, n, kind, -age) for i, (n, kind, age) in enumerate(requests)))
    while len(takes):
        taken = waits.take(now_s, full(batch, wait_s))
        if taken.wait_until_s is not None:
            assert not taken.batch and taken.wait_until_s > now_s
            now_s = taken.wait_until_s
            taken = waits.take(now_s, full(batch, wait_s))
        assert names(taken.batch) == names(takes.take(now_s, greedy(batch)).batch)
    assert not len(waits)
    assert now_s <= wait_s
