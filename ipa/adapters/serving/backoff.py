"""How long to wait before trying again: doubling while it keeps failing, short again after a quiet minute."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 30.0
QUIET_S = 60.0


class Backoff:
    """0.5 s, 1 s, 2 s … 30 s. Time is passed in."""

    def __init__(self) -> None:
        self._delay_s = 0.0
        self._last_s = float("-inf")

    def next_s(self, at_s: float) -> float:
        """The delay for a failure seen at `at_s`."""
        quiet = at_s - self._last_s > QUIET_S
        self._delay_s = FIRST_S if quiet else min(2 * self._delay_s, LONGEST_S)
        self._last_s = at_s
        return self._delay_s
