"""Faults on demand: the next requests that match are refused, cut, or slow.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/ (429 with Retry-After)
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.kube.failures import Refused

Action = Literal["refuse", "cut", "slow", "cut after"]


@dataclass
class Fault:
    """What happens to the next `count` requests whose method and path match.

    `refuse` answers `refusal`; `cut` closes the connection unanswered, `cut after` does so once the write is done;
    `slow` waits `delay_s` first and then answers as ever.
    """

    action: Action
    count: int = 1
    methods: str = ".*"
    path: str = ".*"
    refusal: Refused | None = None
    delay_s: float = 0.0

    def matches(self, method: str, target: str) -> bool:
        return re.fullmatch(self.methods, method) is not None and re.search(self.path, target) is not None


@dataclass
class Faults:
    """The faults that wait for their requests, first come, first used; those at 0 are over."""

    _waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, target: str) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.count > 0 and fault.matches(method, target):
                    fault.count -= 1
                    return fault
        return None

    def refuse(self, code: int, count: int = 1, methods: str = ".*", path: str = ".*", retry_after_s: int = 1) -> Fault:
        """409, 429 (with Retry-After), 500, 503 and 504 as the server words them."""
        return self.add(Fault("refuse", count, methods, path, _REFUSALS[code](retry_after_s)))


def _too_many(retry_after_s: int) -> Refused:
    """Priority and fairness stands before the API and answers in plain text."""
    said = "Too many requests, please try again later."
    return Refused(429, "TooManyRequests", said, retry_after_s=retry_after_s, plain=f"{said}\n")


_REFUSALS: dict[int, Callable[[int], Refused]] = {
    409: lambda _: Refused(409, "Conflict", "Operation cannot be fulfilled: the object has been modified"),
    429: _too_many,
    500: lambda _: Refused(500, "InternalError", "Internal error occurred: etcdserver: leader changed"),
    503: lambda s: Refused(503, "ServiceUnavailable", "apiserver is shutting down", retry_after_s=s),
    504: lambda s: Refused(504, "Timeout", "request did not complete within the allotted timeout", retry_after_s=s),
}
