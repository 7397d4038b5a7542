"""What became of a load: one entry a request in, the numbers of the report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipa.workload.processes import FloatArray

UNSENT, FAILED, DROPPED, ANSWERED = 0, 1, 2, 3
WRONG, RIGHT, UNKNOWN = 0, 1, -1


@dataclass(frozen=True, slots=True, eq=False)
class LoadResult:
    """One entry a request of the trace, in the order of `intended_s`; all times in seconds, NaN is "never".

    `send_lag_s`: sent − intended. `latency_s`: intended → full answer, answered requests only.
    `outcome`: UNSENT, FAILED, DROPPED or ANSWERED. `match`: WRONG, RIGHT or UNKNOWN against the label.
    `reason`: why it was dropped or has failed, an index into `reasons`. `waited`: how many found all connections busy.
    """

    intended_s: FloatArray
    send_lag_s: FloatArray
    latency_s: FloatArray
    outcome: NDArray[np.int8]
    match: NDArray[np.int8]
    reason: NDArray[np.uint8]
    reasons: tuple[str, ...]
    waited: int = 0
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """sent = answered + dropped + failed. `slo_share`: answered in time / sent. None is unknown.

    `drops` and `failures`: how many for each reason; their sums are `dropped` and `failed`.
    """

    sent: int
    answered: int
    dropped: int
    failed: int
    slo_share: float | None
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    accuracy: float | None
    core_hours: float | None
    send_lag_p99_s: float | None
    drops: Mapping[str, int]
    failures: Mapping[str, int]


def summarise(result: LoadResult, slo_s: float, core_seconds: float | None) -> LoadSummary:
    """Late, dropped and failed requests miss the SLO; latencies and accuracy are over answered requests."""
    answered = result.outcome == ANSWERED
    sent = int(np.count_nonzero(result.outcome != UNSENT))
    latency_s = result.latency_s[answered]
    return LoadSummary(
        sent=sent,
        answered=int(np.count_nonzero(answered)),
        dropped=int(np.count_nonzero(result.outcome == DROPPED)),
        failed=int(np.count_nonzero(result.outcome == FAILED)),
        slo_share=int(np.count_nonzero(in_time(latency_s, slo_s))) / sent if sent else None,
        mean_s=float(latency_s.mean()) if len(latency_s) else None,
        p50_s=_quantile(latency_s, 0.50),
        p95_s=_quantile(latency_s, 0.95),
        p99_s=_quantile(latency_s, 0.99),
        accuracy=_accuracy(result.match[answered]),
        core_hours=None if core_seconds is None else core_seconds / 3600,
        send_lag_p99_s=_quantile(result.send_lag_s[result.outcome != UNSENT], 0.99),
        drops=_by_reason(result, DROPPED),
        failures=_by_reason(result, FAILED),
    )


def _by_reason(result: LoadResult, outcome: int) -> dict[str, int]:
    """The most frequent first."""
    counts = np.bincount(result.reason[result.outcome == outcome], minlength=len(result.reasons)).tolist()
    found = [(reason, count) for reason, count in zip(result.reasons, counts, strict=True) if count]
    return dict(sorted(found, key=lambda each: -each[1]))


def in_time(latency_s: FloatArray, slo_s: float) -> NDArray[np.bool_]:
    """Which latencies meet the SLO; a limit holds up to 1e-9."""
    return latency_s <= slo_s + 1e-9


def _quantile(values: FloatArray, q: float) -> float | None:
    return float(np.quantile(values, q)) if len(values) else None


def _accuracy(match: NDArray[np.int8]) -> float | None:
    """The share of right answers; None if no answer could be read as a label."""
    if not np.any(match != UNKNOWN):
        return None
    return float(np.mean(match == RIGHT))


def spent(before: float | None, after: float | None) -> float | None:
    """The difference of two readings; None if one is missing or the counter was started anew in between."""
    if before is None or after is None or after < before:
        return None
    return after - before
