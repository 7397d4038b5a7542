"""The common case as one would write it with SimPy: greedy batches through stages in a line, one kind of replica each.

Simultaneous events have the engine's order, so that every latency is the same: a request that goes on arrives after all
completions of that instant, and those that arrive at one instant do so by number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

AFTER_COMPLETIONS = 2  # SimPy's own priorities are 0 and 1
Process = Generator[simpy.Event, Any, None]


@dataclass(eq=False)
class Stage:
    """`service_s[n - 1]` seconds for n requests; `following` is None for the last stage."""

    environment: simpy.Environment
    service_s: Sequence[float]
    following: Stage | None
    ends_s: list[float]
    queue: deque[int] = field(default_factory=deque)
    idle: list[simpy.Event] = field(default_factory=list)
    coming: list[int] = field(default_factory=list)

    def replica(self) -> Process:
        while True:
            if self.queue:
                batch = [self.queue.popleft() for _ in range(min(len(self.queue), len(self.service_s)))]
            else:
                work = self.environment.event()
                self.idle.append(work)
                batch = yield work
            yield self.environment.timeout(self.service_s[len(batch) - 1])
            self._hand_on(batch)

    def arrive(self, request: int) -> None:
        """An idle replica takes it at once, alone."""
        if self.idle:
            self.idle.pop(0).succeed([request])
        else:
            self.queue.append(request)

    def _hand_on(self, batch: list[int]) -> None:
        if self.following is None:
            for request in batch:
                self.ends_s[request] = self.environment.now
        else:
            self.following.come(batch)

    def come(self, batch: list[int]) -> None:
        if not self.coming:
            arrival = self.environment.event()
            arrival._ok, arrival._value = True, None  # as SimPy's own events that happen by themselves
            arrival.callbacks = [self._all_arrive]
            self.environment.schedule(arrival, priority=AFTER_COMPLETIONS)  # type: ignore[arg-type]
        self.coming += batch

    def _all_arrive(self, _: simpy.Event) -> None:
        arrived, self.coming = sorted(self.coming), []
        for request in arrived:
            self.arrive(request)


def ends_s(service_s: Sequence[Sequence[float]], replicas: Sequence[int], arrivals_s: Sequence[float]) -> list[float]:
    """When each request was answered; `service_s` and `replicas` by stage. Arrivals differ from one another."""
    environment = simpy.Environment()
    found = [0.0] * len(arrivals_s)
    following: Stage | None = None
    for stage_s, count in zip(reversed(service_s), reversed(replicas), strict=True):
        following = Stage(environment, stage_s, following, found)
        for _ in range(count):
            environment.process(following.replica())

    def source(first: Stage) -> Process:
        for request, at_s in enumerate(arrivals_s):
            yield environment.timeout(at_s - environment.now)
            first.arrive(request)

    if following is not None:
        environment.process(source(following))
    environment.run()
    return found
