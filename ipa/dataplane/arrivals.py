"""How many requests arrived in each second: a ring of counters, so memory is bounded. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

MEMORY_S = 7200


@dataclass(frozen=True, slots=True)
class Arrived:
    """Requests in each whole second before `until_s` (epoch seconds), oldest first."""

    until_s: float
    counts: tuple[int, ...]


class Arrivals:
    def __init__(self, since_s: float, memory_s: int = MEMORY_S) -> None:
        """Counting starts at the first whole second after `since_s`; the last `memory_s` seconds are kept."""
        self._first = ceil(since_s)
        self._counts = [0] * memory_s
        self._seconds = [-1] * memory_s  # which second each counter belongs to

    def count(self, at_s: float) -> None:
        """One request arrived at `at_s` (epoch seconds)."""
        second = floor(at_s)
        slot = second % len(self._counts)
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
        self._counts[slot] += 1

    def last(self, window_s: int, now_s: float) -> Arrived:
        """The whole seconds of the last `window_s`; the second that still runs is left out.

        Shorter than `window_s` while less is known: seconds before the start are unknown, not zero.
        """
        until = floor(now_s)
        window = min(window_s, len(self._counts) - 1)
        first = max(self._first, until - window)
        return Arrived(float(until), tuple(self._of(second) for second in range(first, until)))

    def _of(self, second: int) -> int:
        slot = second % len(self._counts)
        return self._counts[slot] if self._seconds[slot] == second else 0
