"""One thread that runs the controllers: each hears of every change and does its part when it is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.kube.failures import Refused
from tests.kube.store import Change, Store

RETRY_S = 0.2  # how soon a controller tries again what was refused


class Controller(Protocol):
    """A control loop: `hear` marks what a change concerns, `step` does what is due and says when to come again."""

    def hear(self, change: Change) -> None: ...

    def step(self, now_s: float) -> float | None: ...


@dataclass
class Loops:
    """Runs the controllers over one store; `delay_s` is how far behind the changes they are."""

    store: Store
    controllers: Sequence[Controller]
    delay_s: float = 0.005
    _stopped: bool = False
    _at: int = 0
    _nudged: int = 0
    _thread: threading.Thread | None = field(default=None)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self.store.changed:
            self._stopped = True
            self.store.changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        wake_s: float | None = None
        while not self._stopped:
            self._hear(wake_s)
            time.sleep(self.delay_s)
            now_s = time.monotonic()
            due = [controller.step(now_s) for controller in self.controllers]
            wake_s = min((at for at in due if at is not None), default=None)

    def _hear(self, wake_s: float | None) -> None:
        with self.store.changed:
            if not self._stopped and (self._at, self._nudged) == (self.store.version, self.store.nudges):
                self.store.changed.wait(None if wake_s is None else max(0.0, wake_s - time.monotonic()))
            for change in self._changes():
                for controller in self.controllers:
                    controller.hear(change)
            self._at, self._nudged = self.store.version, self.store.nudges

    def _changes(self) -> list[Change]:
        """What is new; after a compaction everything there is, as a relist gives it."""
        try:
            return self.store.since(self._at)
        except Refused:
            return [Change(self.store.version, key, None, o) for key, o in self.store.objects.items()]
