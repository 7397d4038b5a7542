"""A load second by second, against a count by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.workload.ledger import Ledger, Reply, nothing_sent
from ipa.workload.per_second import per_second
from ipa.workload.summary import ANSWERED, DROPPED, FAILED, LoadResult, summarise


def _result(rows: Sequence[tuple[float, int, float]], unsent: int = 0) -> LoadResult:
    """(intended_s, outcome, latency_s) of each."""
    intended_s = np.array([row[0] for row in rows] + [1e3] * unsent)
    ledger = Ledger(intended_s)
    for request, (at_s, outcome, latency_s) in enumerate(rows):
        ledger.due(request, request + 1, at_s + 0.001)
        ledger.note(request, Reply(outcome, "why"), at_s + latency_s, None)
    return ledger.result()


def test_seconds_without_requests_have_a_row_too() -> None:
    rows = per_second(
        _result(
            [(0.0, ANSWERED, 0.1), (0.5, ANSWERED, 0.3), (0.9, DROPPED, 0), (2.0, FAILED, 0), (2.999, ANSWERED, 0.2)],
            unsent=3,
        ),
        slo_s=0.2,
    )
    assert [row.second for row in rows] == [0, 1, 2]
    assert [(row.sent, row.answered, row.dropped, row.failed, row.late) for row in rows] == [
        (3, 2, 1, 0, 1),
        (0, 0, 0, 0, 0),
        (2, 1, 0, 1, 0),
    ]
    assert (rows[0].mean_s, rows[0].p50_s, rows[0].max_s) == pytest.approx((0.2, 0.2, 0.3))
    assert rows[0].send_lag_p99_s == pytest.approx(0.001)
    assert (rows[1].p99_s, rows[1].send_lag_p99_s) == (None, None)


def test_nothing_sent_has_no_seconds() -> None:
    assert per_second(nothing_sent(np.arange(3.0)), 1.0) == []


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from([ANSWERED, DROPPED, FAILED]), st.floats(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_the_seconds_add_up_to_the_summary(rows: list[tuple[float, int, float]]) -> None:
    result = _result(sorted(rows))
    summary, seconds = summarise(result, 1.0, None), per_second(result, 1.0)
    for name in ("sent", "answered", "dropped", "failed"):
        assert sum(getattr(second, name) for second in seconds) == getattr(summary, name)
    assert summary.answered - sum(second.late for second in seconds) == pytest.approx(
        (summary.slo_share or 0) * summary.sent
    )
