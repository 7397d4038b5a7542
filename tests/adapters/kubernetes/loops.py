"""The true loop over a controller, in a thread, with a monitor that says what a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ipa.adapters.clock import StoppableClock
from ipa.control import Loop, Turn
from ipa.errors import IpaError
from ipa.policy import exhaustive
from tests.adapters.kubernetes.pipelines import Controller


@dataclass
class Says:
    """A monitor: the same count in every second, or what it raises."""

    rate: float = 10
    error: IpaError | None = None

    def arrivals(self, window_s: float) -> tuple[int, ...]:
        if self.error is not None:
            raise self.error
        return (self.rate,) * round(window_s)  # type: ignore[return-value]


@dataclass
class Story:
    """A loop that runs; its turns as they come."""

    controller: Controller
    monitor: Says
    turns: list[Turn] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        if not self.controller.elector.running:
            self.controller.elector.start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        c, clock = self.controller, StoppableClock()
        clock._stopping = c.stopping
        loop = Loop(
            c.config,
            exhaustive.solve,
            c.cluster,
            self.monitor,
            clock,
            c.cluster.apply,
            constraints=c.cluster.constraints,
            announce=c.cluster.announce,
        )
        try:
            for turn in loop.turns(None):
                self.turns.append(turn)
        except SystemExit:
            return

    def stop(self) -> None:
        """As SIGTERM: what is under way is finished or undone, then the lease is given back."""
        self.controller.stopping.set()
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()
        self.controller.elector.stop()

    def reasons(self) -> list[str]:
        return [turn.decision.reason for turn in self.turns]


@contextmanager
def adapting(controller: Controller, monitor: Says) -> Iterator[Story]:
    story = Story(controller, monitor)
    story.start()
    try:
        yield story
    finally:
        story.stop()


def wait_turns(story: Story, more: int = 2, seconds: float = 10.0) -> None:
    """Until so many further turns have ended."""
    wanted, end_s = len(story.turns) + more, time.monotonic() + seconds
    while len(story.turns) < wanted:
        assert time.monotonic() < end_s, f"only {len(story.turns)} turns: {story.reasons()[-3:]}"
        time.sleep(0.01)
