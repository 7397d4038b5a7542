"""The numbers of a load's report."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.workload.summary import (
    ANSWERED,
    DROPPED,
    FAILED,
    RIGHT,
    UNKNOWN,
    UNSENT,
    WRONG,
    LoadResult,
    spent,
    summarise,
)

NAN = float("nan")


def _result(rows: list[tuple[int, float, int]]) -> LoadResult:
    return LoadResult(
        intended_s=np.arange(len(rows), dtype=np.float64),
        send_lag_s=np.array([NAN if row[0] == UNSENT else 0.002 for row in rows]),
        latency_s=np.array([row[1] for row in rows]),
        outcome=np.array([row[0] for row in rows], dtype=np.int8),
        match=np.array([row[2] for row in rows], dtype=np.int8),
        reason=np.array([row[0] % 2 for row in rows], dtype=np.uint8),
        reasons=("deadline", "timeout"),
    )


def test_late_dropped_and_failed_miss_the_slo() -> None:
    summary = summarise(
        _result(
            [
                (ANSWERED, 0.1, RIGHT),
                (ANSWERED, 0.3, WRONG),
                (DROPPED, NAN, UNKNOWN),
                (FAILED, NAN, UNKNOWN),
                (UNSENT, NAN, UNKNOWN),
            ]
        ),
        slo_s=0.2,
        core_seconds=7200,
    )
    assert asdict(summary) == {
        "sent": 4,
        "answered": 2,
        "dropped": 1,
        "failed": 1,
        "slo_share": 0.25,
        "mean_s": pytest.approx(0.2),
        "p50_s": pytest.approx(0.2),
        "p95_s": pytest.approx(0.29),
        "p99_s": pytest.approx(0.298),
        "accuracy": 0.5,
        "core_hours": 2.0,
        "send_lag_p99_s": pytest.approx(0.002),
        "drops": {"deadline": 1},
        "failures": {"timeout": 1},
    }


@pytest.mark.parametrize("rows", [[], [(UNSENT, NAN, UNKNOWN)]])
def test_nothing_sent_is_zeros_and_nulls(rows: list[tuple[int, float, int]]) -> None:
    values = list(asdict(summarise(_result(rows), 1.0, None)).values())
    assert values == [0, 0, 0, 0] + [None] * 8 + [{}, {}]


def test_nothing_answered_has_no_latency_and_meets_no_slo() -> None:
    summary = summarise(_result([(DROPPED, NAN, UNKNOWN), (FAILED, NAN, UNKNOWN)]), 1.0, None)
    assert (summary.sent, summary.slo_share, summary.p99_s, summary.accuracy) == (2, 0.0, None, None)


def test_a_latency_of_exactly_the_slo_is_in_time() -> None:
    assert summarise(_result([(ANSWERED, 0.2, RIGHT)]), 0.2, None).slo_share == 1.0


def test_accuracy_is_unknown_without_a_single_label_and_else_over_all_answers() -> None:
    assert summarise(_result([(ANSWERED, 0.1, UNKNOWN)]), 1, None).accuracy is None
    assert summarise(_result([(ANSWERED, 0.1, UNKNOWN), (ANSWERED, 0.1, RIGHT)]), 1, None).accuracy == 0.5


@settings(deadline=None)
@given(st.lists(st.sampled_from([UNSENT, FAILED, DROPPED, ANSWERED])))
def test_sent_is_answered_dropped_and_failed(outcomes: list[int]) -> None:
    summary = summarise(_result([(o, 1.0 if o == ANSWERED else NAN, UNKNOWN) for o in outcomes]), 1, None)
    assert summary.sent == summary.answered + summary.dropped + summary.failed
    assert summary.sent == sum(outcome != UNSENT for outcome in outcomes)
    assert (sum(summary.drops.values()), sum(summary.failures.values())) == (summary.dropped, summary.failed)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [(1.0, 3.0, 2.0), (None, 3.0, None), (1.0, None, None), (3.0, 1.0, None)],
)
def test_spent(before: float | None, after: float | None, difference: float | None) -> None:
    assert spent(before, after) == difference
