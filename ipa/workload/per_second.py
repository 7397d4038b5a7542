"""A load second by second: what became of the requests intended for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED, FAILED, UNSENT, LoadResult, in_time


@dataclass(frozen=True, slots=True)
class Second:
    """sent = answered + dropped + failed; `late` were answered, but after the SLO. None: nothing to take it of."""

    second: int
    sent: int
    answered: int
    dropped: int
    failed: int
    late: int
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None
    send_lag_p99_s: float | None


def per_second(result: LoadResult, slo_s: float) -> list[Second]:
    """One row for each second from the start to the last request sent."""
    sent = int(np.count_nonzero(result.outcome != UNSENT))  # they leave in order, so these are the first ones
    seconds = int(result.intended_s[sent - 1]) + 1 if sent else 0
    bounds = np.searchsorted(result.intended_s[:sent], np.arange(seconds + 1)).tolist()
    return [_second(result, slo_s, at, bounds[at], bounds[at + 1]) for at in range(seconds)]


def _second(result: LoadResult, slo_s: float, at: int, first: int, end: int) -> Second:
    outcome = result.outcome[first:end]
    latency_s = result.latency_s[first:end][outcome == ANSWERED]
    mean_s = float(latency_s.mean()) if len(latency_s) else None
    p50_s, p95_s, p99_s, max_s = _quantiles(latency_s, [0.5, 0.95, 0.99, 1.0])
    (send_lag_p99_s,) = _quantiles(result.send_lag_s[first:end], [0.99])
    return Second(
        second=at,
        sent=end - first,
        answered=len(latency_s),
        dropped=int(np.count_nonzero(outcome == DROPPED)),
        failed=int(np.count_nonzero(outcome == FAILED)),
        late=int(np.count_nonzero(~in_time(latency_s, slo_s))),
        mean_s=mean_s,
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        max_s=max_s,
        send_lag_p99_s=send_lag_p99_s,
    )


def _quantiles(values: FloatArray, q: list[float]) -> list[float | None]:
    return np.quantile(values, q).tolist() if len(values) else [None] * len(q)
