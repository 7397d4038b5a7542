"""The system clock: epoch seconds that only ever run forward, so that a clock set back cannot stall the loop."""

from __future__ import annotations

import threading
import time


class SystemClock:
    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now_s(self) -> float:
        return self._offset_s + time.monotonic()

    def sleep_until(self, at_s: float) -> None:
        time.sleep(max(0.0, at_s - self.now_s()))


class StoppableClock(SystemClock):
    """Ends the loops that sleep by it, in whatever threads, once `stop` was called: sleeping then raises SystemExit."""

    def __init__(self) -> None:
        super().__init__()
        self._stopping = threading.Event()
        self._exit_code = 0

    def stop(self, exit_code: int = 0) -> None:
        self._exit_code = exit_code
        self._stopping.set()

    def end(self) -> None:
        """Raises SystemExit if it was stopped."""
        if self._stopping.is_set():
            raise SystemExit(self._exit_code)

    def pause(self, seconds: float) -> bool:
        """Waits; False as soon as it is stopped. For work that has something to finish before it ends."""
        return not self._stopping.wait(seconds)

    def sleep_until(self, at_s: float) -> None:
        self.pause(max(0.0, at_s - self.now_s()))
        self.end()
