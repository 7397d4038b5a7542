"""Open-loop load: every request is sent at its intended time, whatever became of the earlier ones.

Latency runs from the intended send time to the full answer, so time a request spent waiting behind a stalled server (or
behind a late generator) counts: a generator that waits for answers would leave it out (coordinated omission).
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from ipa.adapters.payload import Bodies
from ipa.adapters.wire import Abort, Tell, Wire
from ipa.errors import UsageError
from ipa.workload.ledger import Ledger, Reply
from ipa.workload.processes import FloatArray
from ipa.workload.summary import FAILED, LoadResult
from ipa.workload.trace import Trace, arrival_times

CONNECTIONS = 256
MOST_REQUESTS = 20_000_000  # 40 bytes each: 0.8 GB, five and a half hours at 1,000 requests/s
PROGRESS_EVERY_S = 0.5
SWEEP_EVERY_S = 0.05
TIMED_OUT = Reply(FAILED, "timeout")
SELECTABLE = 900  # select() takes no descriptor beyond 1023, and this process has others open

OpenWire = Callable[[Bodies, Tell], Wire]
"""Called inside the event loop of the load."""


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What to send: request k goes out `intended_s[k]` seconds after the start with sample `samples[k]`.

    `timeout_s`: longest wait for an answer, from the intended time. `connections`: most requests in flight; those
    beyond wait for a free one, and their latency counts all the same.
    """

    intended_s: FloatArray
    samples: NDArray[np.int32]
    bodies: Bodies
    timeout_s: float
    connections: int = CONNECTIONS


def schedule(trace: Trace, seed: int) -> FloatArray:
    """The intended times of a trace. Raises UsageError for more than MOST_REQUESTS."""
    if trace.expected_requests > MOST_REQUESTS:
        raise UsageError(
            f"the trace has about {trace.expected_requests:.3g} requests; one load sends at most {MOST_REQUESTS:,}"
        )
    return arrival_times(trace, seed)


def lead_in(load: Load, seconds: float) -> Load:
    """The first `seconds` of a load, or all of it if it is shorter."""
    requests = int(np.searchsorted(load.intended_s, seconds))
    return replace(load, intended_s=load.intended_s[:requests], samples=load.samples[:requests])


def sample_order(samples: int, requests: int, seed: int) -> NDArray[np.int32]:
    """Which of `samples` each request sends: all in turn, shuffled, as files are often sorted by label."""
    order = np.random.default_rng(seed).permutation(samples).astype(np.int32)
    return np.resize(order, requests) if requests else order[:0]


def run_load(load: Load, open_wire: OpenWire, progress: Callable[[int], None]) -> LoadResult:
    """Send it all and wait for the answers; ^C ends it early, and what was in flight then has failed.

    `progress` is told now and then how many requests were sent.
    """
    # epoll and uvloop wake up in whole milliseconds, select in microseconds; our few sockets do not need epoll
    selector = selectors.SelectSelector if load.connections <= SELECTABLE else selectors.DefaultSelector
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector())) as runner:
        return runner.run(_run(load, open_wire, progress))


async def _run(load: Load, open_wire: OpenWire, progress: Callable[[int], None]) -> LoadResult:
    ledger = Ledger(load.intended_s)
    flow = _Flow(load, ledger, open_wire)
    interrupted = False
    try:
        async with asyncio.TaskGroup() as tasks:
            sweeper = tasks.create_task(_sweep(flow))
            await _release_all(flow, load.intended_s, progress)
            await flow.drained()
            sweeper.cancel()
    except asyncio.CancelledError:  # ^C: the runner cancels this, the summary is still wanted
        interrupted = True
    finally:
        await flow.close()
    return replace(ledger.result(), interrupted=interrupted)


async def _release_all(flow: _Flow, intended_s: FloatArray, progress: Callable[[int], None]) -> None:
    """One round for all that is due, however late: answers are read in between, so neither side starves."""
    due, reported_s = 0, 0.0
    while due < len(intended_s):
        await asyncio.sleep(max(0.0, intended_s.item(due) - flow.now_s()))
        now_s = flow.now_s()
        due = int(np.searchsorted(intended_s, now_s, side="right"))
        flow.release(due, now_s)
        if now_s - reported_s > PROGRESS_EVERY_S:
            progress(due)
            reported_s = now_s
    progress(due)


async def _sweep(flow: _Flow) -> None:
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        flow.expire()


class _Flow:
    """Requests from due to told. At most `connections` are in flight; those that wait for a free connection are a range
    of numbers, from `_next` to `_due`, so a stalled server costs no memory."""

    def __init__(self, load: Load, ledger: Ledger, open_wire: OpenWire) -> None:
        self._load = load
        self._ledger = ledger
        self._wire = open_wire(load.bodies, self.tell)
        self._in_flight: dict[int, Abort] = {}  # in the order of their intended times
        self._next = self._due = 0
        self._told = asyncio.Event()
        self._start_s = time.perf_counter()

    def now_s(self) -> float:
        """Seconds from the start of the trace."""
        return time.perf_counter() - self._start_s

    def release(self, due: int, now_s: float) -> None:
        """The requests before number `due` leave now, or as soon as a connection is free."""
        self._ledger.due(self._due, due, now_s)
        released, self._due = self._due, due
        self._fill()
        self._ledger.waited(due - max(released, self._next))

    def tell(self, request: int, reply: Reply) -> None:
        if self._in_flight.pop(request, None) is None:
            return  # it came too late, and has failed already
        label = self._load.bodies.label(self._load.samples.item(request))
        self._ledger.note(request, reply, reply.at_s - self._start_s, label)
        self._fill()
        self._told.set()

    def expire(self) -> None:
        """Requests intended longer ago than the timeout have failed, whether sent or still waiting for a connection."""
        end = int(np.searchsorted(self._load.intended_s, self.now_s() - self._load.timeout_s, side="right"))
        for request in list(takewhile(lambda request: request < end, self._in_flight)):
            self._in_flight.pop(request)()
            self._ledger.note(request, TIMED_OUT, 0.0, None)
        for request in range(self._next, min(end, self._due)):
            self._ledger.note(request, TIMED_OUT, 0.0, None)
        self._next = max(self._next, min(end, self._due))
        self._fill()
        self._told.set()

    async def drained(self) -> None:
        """Return once there is a reply, or a timeout, for every request that was released."""
        while self._in_flight or self._next < self._due:
            self._told.clear()
            await self._told.wait()

    async def close(self) -> None:
        for abort in self._in_flight.values():
            abort()
        await self._wire.close()

    def _fill(self) -> None:
        while self._next < self._due and len(self._in_flight) < self._load.connections:
            request = self._next
            self._next += 1
            self._in_flight[request] = self._wire.send(request, self._load.samples.item(request))
