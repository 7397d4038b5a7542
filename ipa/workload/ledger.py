"""What became of every request so far: one entry a request in arrays made once, so memory does not grow under load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, FAILED, RIGHT, UNKNOWN, UNSENT, WRONG, LoadResult

INTERRUPTED, OTHER = "interrupted", "other"
MOST_REASONS = 64
LONGEST_REASON = 40


@dataclass(frozen=True, slots=True)
class Reply:
    """ANSWERED at `at_s`, on the clock of the sender, with the first `value` of its first output (None: there is
    none), or DROPPED or FAILED for `reason`."""

    outcome: int
    reason: str = ""
    at_s: float = 0.0
    value: object = None


def nothing_sent(intended_s: FloatArray) -> LoadResult:
    return Ledger(intended_s).result()


class Ledger:
    """All times in seconds from the start of the trace. sent = answered + dropped + failed at every moment: a request
    has failed (interrupted) from the moment it is due until its reply is noted.
    """

    def __init__(self, intended_s: FloatArray) -> None:
        requests = len(intended_s)
        self._reasons = {INTERRUPTED: 0}
        self._intended_s = intended_s
        self._send_lag_s = np.full(requests, np.nan)
        self._latency_s = np.full(requests, np.nan)
        self._outcome = np.full(requests, UNSENT, dtype=np.int8)
        self._match = np.full(requests, UNKNOWN, dtype=np.int8)
        self._reason: NDArray[np.uint8] = np.zeros(requests, dtype=np.uint8)
        self._waited = 0

    def due(self, first: int, end: int, now_s: float) -> None:
        """Requests first … end − 1 leave now, as far as the generator is concerned."""
        self._send_lag_s[first:end] = now_s - self._intended_s[first:end]
        self._outcome[first:end] = FAILED

    def waited(self, requests: int) -> None:
        """So many found all connections busy when they were due."""
        self._waited += requests

    def note(self, request: int, reply: Reply, answered_s: float, label: object) -> None:
        """`answered_s` and `label` count for an answer alone; without a label it is neither right nor wrong."""
        self._outcome[request] = reply.outcome
        if reply.outcome == ANSWERED:
            self._latency_s[request] = answered_s - self._intended_s[request]
            if reply.value is not None and label is not None:
                self._match[request] = RIGHT if reply.value == label else WRONG
        else:
            self._reason[request] = self._code(reply.reason)

    def result(self) -> LoadResult:
        return LoadResult(
            intended_s=self._intended_s,
            send_lag_s=self._send_lag_s,
            latency_s=self._latency_s,
            outcome=self._outcome,
            match=self._match,
            reason=self._reason,
            reasons=tuple(self._reasons),
            waited=self._waited,
        )

    def _code(self, reason: str) -> int:
        """The reason's number. A server may name reasons without end: beyond MOST_REASONS all are `other`."""
        reason = reason[:LONGEST_REASON]
        if reason not in self._reasons and len(self._reasons) >= MOST_REASONS:
            reason = OTHER
        return self._reasons.setdefault(reason, len(self._reasons))
