"""HTTP/1.1 for the load generator: V2 JSON, one request at a time on each of a few kept connections.

Written on asyncio's transports: aiohttp takes half again the CPU a request and, where generator and server share two
cores, sends late what a plain transport sends in time (scripts/benchmarks/load.py).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from ipa.adapters.http_reply import HttpReply, ReplyReader
from ipa.adapters.payload import Bodies, InputTensor
from ipa.adapters.wire import Abort, LoadProtocol, Tell, Wire
from ipa.errors import Unavailable, UsageError
from ipa.workload.ledger import Reply
from ipa.workload.summary import ANSWERED, DROPPED, FAILED

METADATA_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`head` is all of a request but its length and its body; `tls` is None for plain http."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    head: bytes


def check_url(url: str) -> str:
    """The URL without a closing slash. Raises UsageError unless it is http(s)://host[:port][/path]."""
    wrong = f"{url}: is no URL, as in http://127.0.0.1:8080"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isascii()
    except ValueError as error:
        raise UsageError(f"{wrong} ({error})") from error
    if not good or any(character.isspace() for character in url):
        raise UsageError(wrong)
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(f"{url}: must end with the path; user names, ? and # are not sent")
    return url.rstrip("/")


def fetch_metadata(url: str, pipeline: str) -> dict[str, Any]:
    """GET /v2/models/NAME. Raises Unavailable if nothing (yet) answers there, UsageError if it has no such model."""
    import httpx

    url = _model_url(url, pipeline)
    try:
        # trust_env off: a proxy named in the environment must not see calls to this machine
        response = httpx.get(url, timeout=METADATA_TIMEOUT_S, trust_env=False)
        document = response.json() if response.status_code == 200 else None
    except httpx.InvalidURL as error:
        raise UsageError(f"{url}: is no URL ({error})") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{url}: {error or type(error).__name__}") from error
    except ValueError as error:
        raise UsageError(f"{url}: did not answer in JSON ({error})") from error
    if response.status_code >= 500:
        raise Unavailable(f"{url}: answered {response.status_code} {response.reason_phrase}")
    if response.status_code != 200:
        raise UsageError(f"{url}: answered {response.status_code} {response.reason_phrase}: is this the right URL?")
    if not isinstance(document, dict):
        raise UsageError(f"{url}: answered {document!r:.80}, a JSON object was expected")
    return document


def encode(_model: str, tensor: InputTensor, row: NDArray[np.float32]) -> bytes:
    """One sample as the JSON of a V2 inference request."""
    import orjson

    given = {"name": tensor.name, "datatype": tensor.datatype, "shape": [1, *row.shape], "data": row.reshape(-1)}
    return orjson.dumps({"inputs": [given]}, option=orjson.OPT_SERIALIZE_NUMPY)


def open_wire(url: str, pipeline: str, bodies: Bodies, tell: Tell) -> Wire:
    return HttpWire(_endpoint(url, pipeline), bodies, tell)


class HttpWire:
    """The latest idle connection carries the next request, a new one where none is idle: so there are never more than
    requests in flight, and a server faster than the load sees few."""

    def __init__(self, endpoint: Endpoint, bodies: Bodies, tell: Tell) -> None:
        self.endpoint = endpoint
        self.tell = tell
        self.idle: list[_Connection] = []
        self._bodies = bodies

    def send(self, request: int, sample: int) -> Abort:
        body = self._bodies.body(sample)
        connection = self._idle_or_new()
        connection.send(request, b"%b%d\r\n\r\n%b" % (self.endpoint.head, len(body), body))
        return connection.abort

    def _idle_or_new(self) -> _Connection:
        while self.idle:
            connection = self.idle.pop()
            if not connection.closing:
                return connection
        return _Connection(self)

    async def close(self) -> None:
        for connection in tuple(self.idle):
            connection.abort()
        await asyncio.sleep(0)  # transports close in the next round of the loop


class _Connection(asyncio.Protocol):
    """Dialled for its first request; idle from a complete reply to the next request; gone after anything else."""

    def __init__(self, wire: HttpWire) -> None:
        self._wire = wire
        self._request: int | None = None
        self._replies = ReplyReader()
        self._transport: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None

    def send(self, request: int, message: bytes) -> None:
        self._request = request
        if self._transport is None:
            self._dialling = asyncio.get_running_loop().create_task(self._dial(message))
        else:
            self._transport.write(message)

    @property
    def closing(self) -> bool:
        """The server has just closed it, which connection_lost() will be told in the next round of the loop."""
        return self._transport is not None and self._transport.is_closing()

    def abort(self) -> None:
        self._request = None
        if self._transport is not None:
            self._transport.abort()
        elif self._dialling is not None:
            self._dialling.cancel()

    async def _dial(self, message: bytes) -> None:
        endpoint, loop = self._wire.endpoint, asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, endpoint.host, endpoint.port, ssl=endpoint.tls)
        except (OSError, UnicodeError):  # UnicodeError: a name that no DNS can hold
            self._tell(Reply(FAILED, "connect"))
            return
        if self._transport is not None:
            self._transport.write(message)

    # --- called by asyncio ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at_s = time.perf_counter()
        if self._request is None:  # nobody asked: the server says good-bye, or talks nonsense
            self._drop()
            return
        try:
            reply = self._replies.read(data)
        except ValueError:
            self._drop()
            self._tell(Reply(FAILED, "garbage"))
            return
        if reply is not None:
            self._finish(reply, at_s)

    def connection_lost(self, _error: Exception | None) -> None:
        self._leave_idle()
        reply = self._replies.end()
        self._tell(Reply(FAILED, "closed") if reply is None else _judge(reply, time.perf_counter()))

    # ----------------------------------------------------------------------------------------------------------

    def _finish(self, reply: HttpReply, at_s: float) -> None:
        assert self._transport is not None
        if reply.reusable and not self._transport.is_closing() and self._transport.get_write_buffer_size() == 0:
            self._wire.idle.append(self)
        else:
            self._drop()
        self._tell(_judge(reply, at_s))

    def _drop(self) -> None:
        self._leave_idle()
        if self._transport is not None:
            self._transport.abort()

    def _leave_idle(self) -> None:
        if self in self._wire.idle:
            self._wire.idle.remove(self)

    def _tell(self, reply: Reply) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._wire.tell(request, reply)


def _judge(reply: HttpReply, at_s: float) -> Reply:
    """200 is an answer; dropped is what X-Ipa-Drop calls so and, from any other server, 503 and 504."""
    if reply.status == 200:
        return Reply(ANSWERED, "", at_s, _first_value(reply.body))
    drop = reply.headers.get("x-ipa-drop")
    if drop:
        return Reply(DROPPED, drop)
    return Reply(DROPPED if reply.status in (503, 504) else FAILED, f"status-{reply.status}")


def _first_value(answer: bytes) -> object:
    """The first value of the first output; None if there is no such value."""
    import orjson

    try:
        value = orjson.loads(answer)["outputs"][0]["data"]
        while isinstance(value, list):
            value = value[0]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return None
    return value


def _endpoint(url: str, pipeline: str) -> Endpoint:
    parts = urlsplit(f"{_model_url(url, pipeline)}/infer")
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        "User-Agent: ipa-load\r\nContent-Length: "
    )
    secure = parts.scheme == "https"
    return Endpoint(
        host=parts.hostname or "",
        port=parts.port or (443 if secure else 80),
        tls=ssl.create_default_context() if secure else None,
        head=head.encode("ascii"),
    )


def _model_url(url: str, pipeline: str) -> str:
    return f"{url}/v2/models/{quote(pipeline, safe='')}"


HTTP = LoadProtocol(check_url, fetch_metadata, encode, open_wire)
