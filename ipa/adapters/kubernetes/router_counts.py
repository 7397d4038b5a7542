"""What several routers counted, second by second, summed up; also of those that have left since. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ipa.dataplane.arrivals import Arrived
from ipa.errors import Unavailable
from ipa.workload.counts import Counts
from ipa.workload.envelope import TICK_S

MOST_APART_S = 5.0
"""How far the clocks of two routers may be apart: their seconds are summed up by name."""
RECENT_S = 10


def summed_ticks(readings: Iterable[Arrived], window_s: int) -> Counts:
    """Requests in each tick of the last `window_s` that all of `readings` know, oldest first."""
    each = [(round(arrived.until_s / TICK_S), np.array(arrived.counts, dtype=np.int64)) for arrived in readings]
    until = min((end for end, _ in each), default=0)
    whole = [counts[: len(counts) - (end - until)] for end, counts in each if end - until < len(counts)]
    summed = np.zeros(min(round(window_s / TICK_S), max(map(len, whole), default=0)), dtype=np.int64)
    for counts in whole:
        newest = counts[-len(summed) :]
        summed[len(summed) - len(newest) :] += newest
    return summed


@dataclass(slots=True)
class RouterCounts:
    """Per router, what it counted in each epoch second that anybody has asked for within the window."""

    _counts: dict[str, dict[int, float]] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def summed(self, readings: Mapping[str, Arrived], window_s: int) -> tuple[int, ...]:
        """Requests in each whole second of the last `window_s` that all of `readings` (by router) know, oldest first.

        Raises Unavailable if nobody answered, or if their clocks differ too much.
        """
        if not readings:
            raise Unavailable("no router answers")
        ends = [arrived.until_s for arrived in readings.values()]
        if max(ends) - min(ends) > MOST_APART_S:
            raise Unavailable(f"the clocks of the routers are {max(ends) - min(ends):.0f} s apart")
        until = int(min(ends))
        for router, arrived in readings.items():
            self._read(router, arrived)
        for router in self._counts.keys() - readings.keys() - self._ended:
            _go_on(self._counts[router], until)
            self._ended.add(router)
        self._forget(until - window_s)
        first = min(min(seconds) for seconds in self._counts.values()) if self._counts else until
        return tuple(round(sum(each.get(s, 0) for each in self._counts.values())) for s in range(first, until))

    def _read(self, router: str, arrived: Arrived) -> None:
        """One that started anew no longer knows what it counted before; we do."""
        self._ended.discard(router)
        seconds = self._counts.setdefault(router, {})
        first = int(arrived.until_s) - len(arrived.counts)
        if seconds and first > max(seconds) + 1:
            _go_on(seconds, first)
        seconds.update(enumerate(arrived.counts, first))

    def _forget(self, before: int) -> None:
        for router, seconds in list(self._counts.items()):
            self._counts[router] = kept = {s: count for s, count in seconds.items() if s >= before}
            if not kept:
                del self._counts[router]
                self._ended.discard(router)


def _go_on(seconds: dict[int, float], until: int) -> None:
    """Nobody will learn what a router counted between its last answer and its end. As much as before, so that it does
    not look like load that fell; at worst it is counted twice, here and at whoever took it over.
    """
    recent = [seconds[s] for s in sorted(seconds)[-RECENT_S:]]
    for second in range(max(seconds) + 1, until):
        seconds[second] = sum(recent) / len(recent)
