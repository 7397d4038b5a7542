"""The port Monitor over Prometheus: what the router's counter grew by in each second, or any query of the user's.

The raw samples are asked for, not rate(): they carry the times of the scrapes (Prometheus repeats a sample for five
minutes where it has no newer one), and rate() extrapolates to the ends of its window. A pod that is there and cannot be
scraped would look like load that fell: then there is no answer, and the loop holds.
"""

from __future__ import annotations

import json
import ssl
import time
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from itertools import takewhile
from math import floor, isfinite
from pathlib import Path
from typing import Any

import httpx

from ipa.adapters.counter_samples import STALE_S, Sample, check_age, per_second, whole
from ipa.domain import MonitorSettings
from ipa.errors import ServingError, Unavailable, UsageError

TIMEOUT_S = 5.0
LARGEST_BYTES = 64 * 1024 * 1024
LOOK_BACK_S = 60  # asked for beyond the window, so that scrapes every half minute still frame its first second

COUNTER, CREATED = "ipa_requests_total", "ipa_requests_created"


class PrometheusMonitor:
    """Keeps one connection, so close() it at the end."""

    def __init__(self, pipeline: str, settings: MonitorSettings) -> None:
        """Raises UsageError if the URL or `ca_file` is of no use."""
        url = _url(settings.url)
        self._where = f"Prometheus at {url.copy_with(userinfo=b'')}".removesuffix("/")
        self._label = f"pipeline={json.dumps(pipeline, ensure_ascii=False)}"
        self._query = settings.query
        self._client = httpx.Client(
            base_url=url,
            auth=_BearerFile(settings.bearer_token_file) if settings.bearer_token_file else None,
            verify=_tls(settings.ca_file),
            timeout=TIMEOUT_S,
        )

    def close(self) -> None:
        self._client.close()

    def arrivals(self, window_s: float) -> tuple[int, ...]:
        """Requests in each whole second of the last `window_s` before the newest scrape, oldest first.

        Raises Unavailable if there is no answer to trust, ServingError if Prometheus refuses the question.
        """
        window = max(1, round(window_s))
        return self._counted(window) if self._query is None else self._queried(self._query, window)

    # --- the router's counter ------------------------------------------------------------------------------------

    def _counted(self, window_s: int) -> tuple[int, ...]:
        range_s = window_s + LOOK_BACK_S
        now_s = self._all_scraped(range_s)
        selector = f'{{__name__=~"{COUNTER}|{CREATED}",{self._label}}}'
        found = self._ask("query", query=f"{selector}[{range_s}s]", time=f"{now_s:.3f}")
        pods = _pods(_series(found, "matrix", "values"))
        try:
            return per_second(pods, now_s - range_s, now_s, window_s)
        except Unavailable as error:
            raise Unavailable(f"{self._where}: {COUNTER}{{{self._label}}}: {error}") from error

    def _all_scraped(self, range_s: int) -> float:
        """Prometheus' own time, by which its samples are dated. Raises Unavailable if a router cannot be scraped now.

        One that has left is no target any more, and its `up` is gone with it; after `range_s` so is its counter.
        """
        counted = f"last_over_time({COUNTER}{{{self._label}}}[{range_s}s])"
        found = self._ask("query", query=f"count(up == 0 and on (job, instance) {counted}) or vector(0)")
        samples = _series(found, "vector", "value")
        if len(samples) != 1:
            raise Unavailable(f"{self._where}: answered {len(samples)} series to a query that has one")
        at_s, down = _point(samples[0][1])
        if down:
            raise Unavailable(
                f"{self._where}: {down:.0f} router(s) cannot be scraped (up == 0), so their load is unknown"
            )
        return at_s

    # --- a query of the user's -----------------------------------------------------------------------------------

    def _queried(self, query: str, window_s: int) -> tuple[int, ...]:
        """A PromQL expression of requests per second, all its series summed up at every second."""
        until = floor(_point(_result(self._ask("query", query="time()"), "scalar"))[0])
        span = {"start": until - window_s + 1, "end": until, "step": 1}
        rates: dict[int, float] = defaultdict(float)
        for _, points in _series(self._ask("query_range", query=query, **span), "matrix", "values"):
            for at_s, rate in map(_point, points):
                rates[round(at_s)] += rate
        try:
            return _newest(rates, until)
        except Unavailable as error:
            raise Unavailable(f"{self._where}: {query}: {error}") from error

    # --- HTTP ----------------------------------------------------------------------------------------------------

    def _ask(self, method: str, **params: str | int) -> Mapping[str, Any]:
        """`data` of the HTTP API's answer (prometheus.io/docs/prometheus/latest/querying/api)."""
        try:
            status, body = self._fetched(f"api/v1/{method}", params)
        except httpx.RequestError as error:  # also one that cannot be decoded, which is no TransportError
            raise Unavailable(f"{self._where}: {error or type(error).__name__}") from error
        document = _document(body)
        if status >= 500 or status in (408, 429):
            raise Unavailable(f"{self._where}: {status} {_said(document, body)}")
        if status != 200:
            raise ServingError(f"{self._where}: {status} {_said(document, body)}")
        if document.get("status") != "success" or not isinstance(document.get("data"), dict):
            raise Unavailable(f"{self._where}: answered what is none of Prometheus': {_said(document, body)}")
        if document.get("warnings"):  # as Thanos warns that a store did not answer: load that is missing
            raise Unavailable(f"{self._where}: warns that {_said({'error': document['warnings']}, body)}")
        data: Mapping[str, Any] = document["data"]
        return data

    def _fetched(self, path: str, params: Mapping[str, str | int]) -> tuple[int, bytes]:
        """A time-out of httpx is one for each piece: a body that trickles would last as long as it likes."""
        until_s = time.monotonic() + TIMEOUT_S
        body = bytearray()
        with self._client.stream("GET", path, params=params) as response:
            for piece in response.iter_bytes():
                body += piece
                if len(body) > LARGEST_BYTES:
                    raise Unavailable(f"{self._where}: answered with more than {LARGEST_BYTES} bytes")
                if time.monotonic() > until_s:
                    raise Unavailable(f"{self._where}: the answer did not come within {TIMEOUT_S:g} s")
            return response.status_code, bytes(body)


class _BearerFile(httpx.Auth):
    """Read anew for every request, as whoever renews the token replaces the file. Never shown."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "holds what is not ASCII"
            raise Unavailable(f"monitor.bearer_token_file: {self._path}: {why}") from error
        if not token or not token.isprintable() or " " in token:
            raise Unavailable(f"monitor.bearer_token_file: {self._path}: must hold one token, on one line")
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def _url(url: str | None) -> httpx.URL:
    try:
        return httpx.URL(url or "")
    except httpx.InvalidURL as error:
        raise UsageError(f"monitor.url: {url}: {error}") from error


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authorities of `ca_file` alone, or those of the system."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"monitor.ca_file: {ca_file}: {error.strerror or error}; must be certificates in PEM"
        ) from error


# --- answers -----------------------------------------------------------------------------------------------------


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(document: Mapping[str, Any], body: bytes) -> str:
    """The server's own words, on one line."""
    words = document.get("error") or body[:200].decode(errors="replace")
    return " ".join(str(words).split())[:400]


def _result(data: Mapping[str, Any], kind: str) -> Any:
    if data.get("resultType") != kind:
        raise Unavailable(f"Prometheus answered a {data.get('resultType')!r} where a {kind} was asked for")
    return data.get("result")


def _series(data: Mapping[str, Any], kind: str, field: str) -> list[tuple[Mapping[str, str], Any]]:
    """(labels, values or value) of each series."""
    try:
        return [(each["metric"], each[field]) for each in _result(data, kind)]
    except (KeyError, TypeError) as error:
        raise Unavailable(f"Prometheus answered a {kind} without {error}") from error


def _point(pair: Any) -> tuple[float, float]:
    """[time, "value"]. Raises Unavailable if it is no finite number, at least 0: no count or rate is otherwise."""
    try:
        at_s, value = float(pair[0]), float(pair[1])
    except (TypeError, ValueError, LookupError) as error:
        raise Unavailable(f"Prometheus answered {pair!r:.60} where [time, value] was asked for") from error
    if not isfinite(at_s) or not isfinite(value) or value < 0:
        raise Unavailable(f"Prometheus answered {value}, which is no rate of requests")
    return at_s, value


def _pods(series: Sequence[tuple[Mapping[str, str], Any]]) -> list[list[Sample]]:
    """One list a series of the counter, each sample with its counterpart that says since when it counts."""
    created = {
        (_identity(labels), at_s): value
        for labels, points in series
        if labels.get("__name__") == CREATED
        for at_s, value in map(_point, points)
    }
    return _once(
        [
            [Sample(at_s, value, created.get((_identity(labels), at_s))) for at_s, value in map(_point, points)]
            for labels, points in series
            if labels.get("__name__") == COUNTER
        ]
    )


def _once(counters: list[list[Sample]]) -> list[list[Sample]]:
    """Each process once: a router tells its metrics on two ports, and whoever scrapes all ports of a pod has two series
    of it. They agree to the microsecond on when it began to count; the one that was scraped last is taken.
    """
    found: dict[object, list[Sample]] = {}
    for i, samples in enumerate(counters):
        known = samples[-1].created_s if samples else None
        process = (i,) if known is None else known
        if process not in found or samples[-1].at_s > found[process][-1].at_s:
            found[process] = samples
    return list(found.values())


def _identity(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in labels.items() if name != "__name__")


def _newest(rates: Mapping[int, float], until: int) -> tuple[int, ...]:
    """The newest seconds without a gap: what came before one is unknown, not zero."""
    if not rates:
        raise Unavailable("has no series with a value; a metric that does not exist looks the same")
    newest = max(rates)
    check_age(until - newest, STALE_S)
    seconds = list(takewhile(rates.__contains__, range(newest, min(rates) - 1, -1)))
    return whole([rates[second] for second in reversed(seconds)])
