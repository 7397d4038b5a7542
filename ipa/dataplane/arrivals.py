"""How many requests arrived in each second, and lately in each tick: rings of counters, so memory is bounded. Pure;
time is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from ipa.workload.envelope import LONGEST_S, TICK_S

MEMORY_S = 7200


@dataclass(frozen=True, slots=True)
class Arrived:
    """Requests in each whole second, or tick, before `until_s` (epoch seconds), oldest first."""

    until_s: float
    counts: tuple[int, ...]


class Arrivals:
    def __init__(self, since_s: float, memory_s: int = MEMORY_S) -> None:
        """Counting starts at the first whole second after `since_s`; the last `memory_s` seconds are kept, and the
        ticks of the last minute."""
        self._seconds = _Ring(1.0, memory_s, since_s)
        self._ticks = _Ring(TICK_S, round(LONGEST_S / TICK_S) + 1, since_s)

    def count(self, at_s: float) -> None:
        """One request arrived at `at_s` (epoch seconds)."""
        self._seconds.count(at_s)
        self._ticks.count(at_s)

    def last(self, window_s: int, now_s: float) -> Arrived:
        """The whole seconds of the last `window_s`; the second that still runs is left out.

        Shorter than `window_s` while less is known: seconds before the start are unknown, not zero.
        """
        return self._seconds.last(window_s, now_s)

    def last_ticks(self, window_s: int, now_s: float) -> Arrived:
        """The same in ticks; a minute at most."""
        return self._ticks.last(round(window_s / TICK_S), now_s)


class _Ring:
    """Requests in each of the last `slots` − 1 spans of `width_s`."""

    def __init__(self, width_s: float, slots: int, since_s: float) -> None:
        self._width_s = width_s
        self._first = ceil(since_s / width_s)
        self._counts = [0] * slots
        self._spans = [-1] * slots  # which span each counter belongs to

    def count(self, at_s: float) -> None:
        span = floor(at_s / self._width_s)
        slot = span % len(self._counts)
        if self._spans[slot] != span:
            self._spans[slot] = span
            self._counts[slot] = 0
        self._counts[slot] += 1

    def last(self, spans: int, now_s: float) -> Arrived:
        until = floor(now_s / self._width_s)
        first = max(self._first, until - min(spans, len(self._counts) - 1))
        return Arrived(until * self._width_s, tuple(self._of(span) for span in range(first, until)))

    def _of(self, span: int) -> int:
        slot = span % len(self._counts)
        return self._counts[slot] if self._spans[slot] == span else 0
