"""What the loop needs of the world. The live loop and the simulated one differ only in who stands behind these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ipa.domain import Plan
from ipa.workload.counts import Counts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: done or not, how long it took, and the least capacity while it lasted.

    `rolled_back`: it was tried, did not become ready, and the last good plan runs again.
    """

    applied: bool
    seconds: float
    detail: str = ""
    rolled_back: bool = False


class Cluster(Protocol):
    def live(self) -> Plan | None:
        """The plan that runs now, None if nothing does. Raises Unavailable."""

    def ready(self) -> bool:
        """Whether every replica of the live plan is warm. Raises Unavailable."""

    def apply(self, plan: Plan) -> Outcome:
        """Move to `plan`, make-before-break; returns when it runs and what it replaced has drained."""


class Monitor(Protocol):
    def arrivals(self, window_s: float) -> tuple[int, ...]:
        """Requests that arrived in each whole second of the last `window_s`, oldest first. Raises Unavailable."""


class Traffic(Protocol):
    def ticks(self, window_s: float) -> Counts:
        """As a monitor's arrivals, in each tick (workload.envelope) instead of each second. Raises Unavailable."""


class Clock(Protocol):
    def now_s(self) -> float: ...

    def sleep_until(self, at_s: float) -> None: ...
