"""The system clock: epoch seconds that only ever run forward, so that a clock set back cannot stall the loop."""

from __future__ import annotations

import time


class SystemClock:
    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now_s(self) -> float:
        return self._offset_s + time.monotonic()

    def sleep_until(self, at_s: float) -> None:
        time.sleep(max(0.0, at_s - self.now_s()))
