"""The ledger: sent = answered + dropped + failed at every moment."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.workload.ledger import MOST_REASONS, OTHER, Ledger, Reply, nothing_sent
from ipa.workload.summary import ANSWERED, DROPPED, FAILED, RIGHT, UNKNOWN, UNSENT, WRONG, summarise


def test_what_is_due_and_never_told_was_interrupted() -> None:
    ledger = Ledger(np.array([0.0, 1.0, 2.0]))
    ledger.due(0, 2, 1.25)
    result = ledger.result()
    assert result.outcome.tolist() == [FAILED, FAILED, UNSENT]
    assert result.send_lag_s[:2].tolist() == [1.25, 0.25]
    assert summarise(result, 1.0, None).failures == {"interrupted": 2}


def test_an_answer_has_its_latency_from_the_intended_time_and_its_label() -> None:
    ledger = Ledger(np.array([0.0, 1.0, 2.0]))
    ledger.due(0, 3, 2.0)
    for request, value in enumerate([7, 8, None]):
        ledger.note(request, Reply(ANSWERED, "", 0.0, value), 2.5, 7)
    result = ledger.result()
    assert result.latency_s.tolist() == [2.5, 1.5, 0.5]
    assert result.match.tolist() == [RIGHT, WRONG, UNKNOWN]


def test_nothing_sent() -> None:
    assert nothing_sent(np.arange(3.0)).outcome.tolist() == [UNSENT] * 3


def test_reasons_beyond_the_limit_are_one() -> None:
    ledger = Ledger(np.arange(300.0))
    ledger.due(0, 300, 300.0)
    for request in range(300):
        ledger.note(request, Reply(DROPPED, f"reason {request}"), 0.0, None)
    drops = summarise(ledger.result(), 1.0, None).drops
    assert (len(drops), sum(drops.values()), next(iter(drops))) == (MOST_REASONS, 300, OTHER)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([ANSWERED, DROPPED, FAILED]), st.sampled_from("abc")), max_size=30))
def test_all_that_was_due_is_accounted_for_by_reason(replies: list[tuple[int, str]]) -> None:
    ledger = Ledger(np.arange(40.0))
    ledger.due(0, 35, 50.0)
    for request, (outcome, reason) in enumerate(replies):
        ledger.note(request, Reply(outcome, reason), 60.0, None)
    summary = summarise(ledger.result(), 1.0, None)
    assert summary.sent == 35 == summary.answered + summary.dropped + summary.failed
    for outcome, counted in ((DROPPED, summary.drops), (FAILED, summary.failures)):
        told = [reason for each, reason in replies if each == outcome]
        assert {reason: count for reason, count in counted.items() if reason != "interrupted"} == {
            reason: told.count(reason) for reason in told
        }


def test_without_a_label_an_answer_is_neither_right_nor_wrong() -> None:
    ledger = Ledger(np.array([0.0]))
    ledger.due(0, 1, 0.0)
    ledger.note(0, Reply(ANSWERED, "", 0.0, 7), 0.5, None)
    assert ledger.result().match.tolist() == [UNKNOWN]
