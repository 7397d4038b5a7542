"""The load generator against one written on aiohttp, in the same run, alternating.

Both send the same Poisson schedule to the null server of the tests, which has a process of its own and shares the
machine. `kind` says what the seconds are: of CPU a request, or the send lag's 99th percentile.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.rows import ROOT, Row, ratio

RATE_RPS = 1500.0
SECONDS = 4
PAIRS = 5
SERVER = """
import sys
from tests.adapters.null_server import null_server
with null_server() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""

Lags = list[float]
Generator = Callable[[str, list[float], bytes], Lags]
"""(URL to post to, intended times in seconds from the start, body) → send lags in seconds."""


def run() -> Iterator[Row]:
    pairs = [(_measured(_own), _measured(_on_aiohttp)) for _ in range(PAIRS)]
    name = f"ipa load ÷ the same on aiohttp, Poisson at {RATE_RPS:g} requests/s for {SECONDS} s"
    yield ratio(name, "CPU a request", [(mine[0], theirs[0]) for mine, theirs in pairs])
    yield ratio(name, "send lag p99", [(mine[1], theirs[1]) for mine, theirs in pairs])


def _measured(generator: Generator) -> tuple[float, float]:
    """(CPU seconds a request, 99th percentile of the send lag in seconds), each time against a fresh server."""
    gaps_s = np.random.default_rng(0).exponential(1 / RATE_RPS, int(RATE_RPS * SECONDS))
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 2, 2], "data": [3.0] * 4}
    with _null_server() as url:
        before_s = time.process_time()
        lags_s = generator(url, np.cumsum(gaps_s).tolist(), json.dumps({"inputs": [tensor]}).encode())
        return (time.process_time() - before_s) / len(lags_s), float(np.quantile(lags_s, 0.99))


@contextmanager
def _null_server() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        yield server.stdout.readline().strip()
        server.stdin.close()


def _own(url: str, intended_s: list[float], body: bytes) -> Lags:
    from ipa.adapters.load_http import open_wire
    from ipa.adapters.loadgen import Load, run_load, sample_order
    from ipa.adapters.payload import Bodies, Payload

    one = Payload(Path(), np.zeros((1, 2, 2), np.float32), np.array([3]))
    load = Load(
        intended_s=np.array(intended_s),
        samples=sample_order(1, len(intended_s), 0),
        bodies=Bodies([one], lambda _row: body),
        timeout_s=30.0,
    )
    lags: Lags = run_load(load, partial(open_wire, url, "digits"), lambda _sent: None).send_lag_s.tolist()
    return lags


def _on_aiohttp(url: str, intended_s: list[float], body: bytes) -> Lags:
    return asyncio.run(_tasks(f"{url}/v2/models/digits/infer", intended_s, body))


async def _tasks(url: str, intended_s: list[float], body: bytes) -> Lags:
    import aiohttp

    lags: Lags = []

    async def post(session: aiohttp.ClientSession, at_s: float) -> None:
        lags.append(time.perf_counter() - at_s)
        async with session.post(url, data=body) as response:
            await response.read()

    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as requests:
        start_s = time.perf_counter()
        for at_s in intended_s:
            await asyncio.sleep(max(0.0, start_s + at_s - time.perf_counter()))
            requests.create_task(post(session, start_s + at_s))
    return lags
