"""Open-loop load: every request is sent at its intended time, whatever became of the earlier ones.

Latency runs from the intended send time to the full answer, so time a request spent waiting behind a stalled server (or
behind a late generator) counts: a generator that waits for answers would leave it out (coordinated omission).
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ipa.adapters.payload import Bodies
from ipa.errors import Unavailable, UsageError
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED, FAILED, RIGHT, UNKNOWN, UNSENT, WRONG, LoadResult

if TYPE_CHECKING:
    import aiohttp

CONNECTIONS = 256  # without a bound, aiohttp collapses once the server is slower than the load
METADATA_TIMEOUT_S = 5.0
PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What to send: request k goes out `intended_s[k]` seconds after the start with sample `samples[k]`."""

    url: str
    pipeline: str
    intended_s: FloatArray
    samples: NDArray[np.int64]
    bodies: Bodies
    labels: NDArray[Any]
    timeout_s: float
    warm_up: int = 5


def sample_order(samples: int, requests: int, seed: int) -> NDArray[np.int64]:
    """Which of `samples` each request sends: all in turn, shuffled, as files are often sorted by label."""
    order = np.random.default_rng(seed).permutation(samples)
    return np.resize(order, requests) if requests else order[:0]


def fetch_metadata(url: str, pipeline: str) -> dict[str, Any]:
    """GET /v2/models/NAME. Raises Unavailable if nothing (yet) answers there, UsageError if it has no such model."""
    return _get_json(_model_url(url, pipeline), None)


def fetch_core_seconds(control_url: str, token: str) -> float:
    """Allocated cores of the local run, integrated since its start. Raises Unavailable or UsageError."""
    url = f"{control_url.rstrip('/')}/status"
    seconds = _get_json(url, token).get("core_seconds")
    if not isinstance(seconds, int | float):
        raise Unavailable(f"{url}: core_seconds must be a number, is {seconds!r}")
    return float(seconds)


def run_load(load: Load, progress: Callable[[int], None]) -> LoadResult:
    """Send it all and wait for the answers; ^C ends it early, and what was in flight then has failed.

    `progress` is told now and then how many requests were sent.
    """
    # epoll and uvloop wake up in whole milliseconds, select in microseconds; our few sockets do not need epoll
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(_run(load, progress))


async def _run(load: Load, progress: Callable[[int], None]) -> LoadResult:
    result = _nothing_sent(load)
    interrupted = False
    try:
        async with _session(load.timeout_s) as session:
            sender = _Sender(session, load, result)
            await asyncio.gather(*(sender.post(sample) for sample in load.samples[: load.warm_up]))
            await _send_all(sender, load.intended_s, progress)
    except asyncio.CancelledError:  # ^C: the runner cancels this, the summary is still wanted
        interrupted = True
    return LoadResult(result.intended_s, result.send_lag_s, result.latency_s, result.outcome, result.match, interrupted)


async def _send_all(sender: _Sender, intended_s: FloatArray, progress: Callable[[int], None]) -> None:
    reported_s = start_s = time.perf_counter()
    async with asyncio.TaskGroup() as requests:
        for request, at_s in enumerate((start_s + intended_s).tolist()):
            now_s = time.perf_counter()
            if now_s - reported_s > PROGRESS_EVERY_S:
                progress(request)
                reported_s = now_s
            # even when late: a sleep of 0 lets the requests before this one start
            await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
            requests.create_task(sender.send(request, at_s))
    progress(len(intended_s))


class _Sender:
    """Sends single requests and notes what became of them in the arrays of `result`."""

    def __init__(self, session: aiohttp.ClientSession, load: Load, result: LoadResult) -> None:
        self._session = session
        self._url = f"{_model_url(load.url, load.pipeline)}/infer"
        self._load = load
        self._labels = load.labels.tolist()
        self._result = result

    async def send(self, request: int, intended_at_s: float) -> None:
        result = self._result
        result.send_lag_s[request] = time.perf_counter() - intended_at_s
        result.outcome[request] = FAILED  # until known better, so that sent = answered + dropped + failed always
        sample = self._load.samples[request]
        status, answer = await self.post(sample)
        if status == 200:
            result.latency_s[request] = time.perf_counter() - intended_at_s
            result.outcome[request] = ANSWERED
            result.match[request] = _match(answer, self._labels[sample])
        elif status in (503, 504):
            result.outcome[request] = DROPPED

    async def post(self, sample: int) -> tuple[int, bytes]:
        """(status, full answer); status 0 if there was none."""
        import aiohttp

        try:
            async with self._session.post(
                self._url, data=self._load.bodies.body(sample), allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""


def _match(answer: bytes, label: Any) -> int:
    """Whether the first value of the first output is the label; UNKNOWN if there is no such value."""
    import orjson

    try:
        value = orjson.loads(answer)["outputs"][0]["data"]
        while isinstance(value, list):
            value = value[0]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return UNKNOWN
    return RIGHT if value == label else WRONG


def _nothing_sent(load: Load) -> LoadResult:
    requests = len(load.intended_s)
    return LoadResult(
        intended_s=load.intended_s,
        send_lag_s=np.full(requests, np.nan),
        latency_s=np.full(requests, np.nan),
        outcome=np.full(requests, UNSENT, dtype=np.int8),
        match=np.full(requests, UNKNOWN, dtype=np.int8),
    )


def _session(timeout_s: float) -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, limit_per_host=0),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json"},
        skip_auto_headers=("Accept-Encoding",),
    )


def _model_url(url: str, pipeline: str) -> str:
    return f"{url.rstrip('/')}/v2/models/{quote(pipeline, safe='')}"


def _get_json(url: str, token: str | None) -> dict[str, Any]:
    return asyncio.run(_get(url, token))


async def _get(url: str, token: str | None) -> dict[str, Any]:
    import aiohttp

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with _session(METADATA_TIMEOUT_S) as session, session.get(url, headers=headers) as response:
            if response.status == 200:
                document = await response.json(content_type=None)
                if isinstance(document, dict):
                    return document
                raise UsageError(f"{url}: answered {document!r:.80}, a JSON object was expected")
            if response.status < 500:
                raise UsageError(f"{url}: answered {response.status} {response.reason}: is this the right URL?")
            raise Unavailable(f"{url}: answered {response.status} {response.reason}")
    except aiohttp.InvalidURL as error:
        raise UsageError(f"{url}: is no URL, as in http://127.0.0.1:8080") from error
    except ValueError as error:
        raise UsageError(f"{url}: did not answer in JSON ({error})") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"{url}: {error or 'no answer in time'}") from error
