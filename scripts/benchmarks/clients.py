"""Clients of one model over REST: open loop with the load generator, and closed loop on the same connections."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

import numpy as np

from benchmarks.models import WIDTH
from ipa.adapters.load_http import encode, open_wire
from ipa.adapters.loadgen import Load, run_load, sample_order
from ipa.adapters.payload import Bodies, InputTensor, Payload
from ipa.adapters.wire import Wire
from ipa.workload.ledger import Reply
from ipa.workload.summary import ANSWERED, LoadResult

MODEL = "model"
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Closed:
    """What clients got that each wait for their answer before they ask again."""

    sent: int
    answered: int
    seconds: float

    @property
    def throughput_rps(self) -> float:
        return self.answered / self.seconds


def nothing() -> None:
    pass


def closed_loop(
    url: str, clients: int, seconds: float = inf, requests: float = inf, before_closing: Callable[[], None] = nothing
) -> Closed:
    """`clients`, each on its connection, until `seconds` have passed or `requests` are sent.

    `before_closing` is called after the last answer, with all connections still open.
    """
    return asyncio.run(_Clients(url, seconds, requests).run(clients, before_closing))


class _Clients:
    def __init__(self, url: str, seconds: float, requests: float) -> None:
        self._url = url
        self._seconds = seconds
        self._requests = requests
        self._sent = 0
        self._told: Counter[int] = Counter()
        self._done = asyncio.Event()

    async def run(self, clients: int, before_closing: Callable[[], None]) -> Closed:
        self._wire: Wire = open_wire(self._url, MODEL, _bodies(), self._tell)
        self._start_s = time.perf_counter()
        try:
            for _ in range(clients):
                self._send()
            await self._done.wait()
            seconds = self._elapsed_s()
            before_closing()
        finally:
            await self._wire.close()
        return Closed(self._sent, self._told[ANSWERED], seconds)

    def _send(self) -> None:
        self._wire.send(self._sent, 0)
        self._sent += 1

    def _tell(self, _request: int, reply: Reply) -> None:
        self._told[reply.outcome] += 1
        if self._sent < self._requests and self._elapsed_s() < self._seconds:
            self._send()
        elif self._told.total() == self._sent:
            self._done.set()

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._start_s


def open_loop(url: str, intended_s: Sequence[float], connections: int = 256) -> LoadResult:
    """Every request at its intended time, whatever became of the earlier ones."""
    load = Load(
        intended_s=np.array(intended_s),
        samples=sample_order(1, len(intended_s), 0),
        bodies=_bodies(),
        timeout_s=TIMEOUT_S,
        connections=connections,
    )
    result = run_load(load, partial(open_wire, url, MODEL), lambda _sent: None)
    if result.interrupted:  # a load that is interrupted ends early with a summary; here ^C ends everything
        raise KeyboardInterrupt
    return result


def poisson(rate_rps: float, seconds: float, seed: int) -> list[float]:
    """Arrival times: each side of a comparison gets the same."""
    gaps_s = np.random.default_rng(seed).exponential(1 / rate_rps, round(rate_rps * seconds))
    times_s: list[float] = np.cumsum(gaps_s).tolist()
    return times_s


def quantile_s(result: LoadResult, q: float) -> float:
    """Of the answered requests, from the intended time."""
    return float(np.quantile(result.latency_s[result.outcome == ANSWERED], q))


def _bodies() -> Bodies:
    one = Payload(Path(), np.full((1, WIDTH), 0.5, np.float32), np.array([0]))
    return Bodies([one], partial(encode, MODEL, InputTensor("x", "FP32", (WIDTH,))))
