"""A collection of objects and all its changes, for as long as anybody asks: list, then watch from there.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes. A watch that ends or breaks
goes on from the last version that it told; where that is too old (410) the collection is listed anew.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ipa.adapters.kubernetes.connection import TIMEOUT_S, Connection, Json, Refused, Request
from ipa.errors import IpaError, Unavailable

log = logging.getLogger(__name__)

WATCH_S = 60
"""How long the server is asked to watch: a connection that died without a word is noticed a little later."""
SILENCE_S = WATCH_S + 10.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 1.5
"""Short, as a controller waits two seconds for its routers to switch; the API server sees one router's two watches."""
LARGEST_EVENT_BYTES = 8 * 1024 * 1024  # etcd's limit on an object is 1.5 MiB

Objects = Mapping[str, Json]
"""By name, of one namespace."""


class Gone(IpaError):
    """The version to go on from is too old."""


@dataclass(frozen=True, slots=True)
class Collection:
    """`path`: as Connection.path gives it; `query`: its label or field selector."""

    path: str
    query: Mapping[str, str]


def changes(connection: Connection, of: Collection, sleep: Callable[[float], None] = time.sleep) -> Iterator[Objects]:
    """All objects of the collection, at first and after each change; never ends, blocks until there is news.

    While the API server cannot be asked there is none: the last that was told stands, and the log says so once.
    """
    patience = _Patience(f"watching {of.path}", sleep)
    objects: dict[str, Json] = {}
    version = ""
    while True:
        try:
            if not version:
                objects, version = _listed(connection, of)
                patience.restored()
                yield dict(objects)
            began_s = time.monotonic()
            for event in _watched(connection, of, version):
                patience.restored()
                version = event["object"]["metadata"]["resourceVersion"]
                if _changed(objects, event):
                    yield dict(objects)
            if time.monotonic() - began_s > LONGEST_DELAY_S:  # it was quiet, and its time is over
                patience.restored()
            patience.wait()
        except Gone:
            version = ""
            patience.wait()
        except (Unavailable, Refused) as error:
            patience.failed(error)


class _Patience:
    """Waits ever longer while attempts fail one after the other. Says when that begins, and when it is over."""

    def __init__(self, what: str, sleep: Callable[[float], None]) -> None:
        self._what = what
        self._sleep = sleep
        self._tries = 0
        self._said = False

    def restored(self) -> None:
        if self._said:
            log.warning("%s: works again", self._what)
        self._tries, self._said = 0, False

    def failed(self, error: Exception) -> None:
        if not self._said:
            log.warning("%s: %s; what was known stands", self._what, error)
            self._said = True
        self.wait()

    def wait(self) -> None:
        """Also where nothing failed: a server that ends each watch at once must not be asked without end."""
        self._sleep(delay_s(self._tries, random.random()))
        self._tries += 1


def delay_s(tries: int, jitter: float) -> float:
    """After so many tries in a row, doubling; `jitter` in 0…1 takes up to half of it off, so that routers spread."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(tries, 10)) * (1 - jitter / 2)


def _listed(connection: Connection, of: Collection) -> tuple[dict[str, Json], str]:
    found = connection.once(Request("GET", of.path, of.query))
    try:
        objects = {item["metadata"]["name"]: item for item in found.get("items") or ()}
        return objects, str(found["metadata"]["resourceVersion"])
    except (KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"GET {of.path}: answered what is no list ({error!r})") from error


def _changed(objects: dict[str, Json], event: Json) -> bool:
    """Whether the event changed `objects`; a bookmark tells a version alone."""
    name = event["object"]["metadata"].get("name")
    if event["type"] in ("ADDED", "MODIFIED"):
        objects[name] = event["object"]
        return True
    return event["type"] == "DELETED" and objects.pop(name, None) is not None


def _watched(connection: Connection, of: Collection, version: str) -> Iterator[Json]:
    """Events until the server ends the watch. Raises Gone, Refused, or Unavailable if it breaks."""
    query = {
        **of.query,
        "watch": "true",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(WATCH_S),
    }
    for line in _lines(connection, of.path, query):
        try:
            event: Json = json.loads(line)
            kind, subject = event["type"], event["object"]
            if kind == "ERROR":
                raise _error(of, int(subject.get("code") or 0), str(subject.get("message")))
            assert subject["metadata"]["resourceVersion"]
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise Unavailable(f"watch {of.path}: {line[:80]!r} is no event ({error!r})") from error
        yield event


def _error(of: Collection, status: int, message: str) -> IpaError:
    what = f"watch {of.path}: {status} {message}"
    if status == 410:
        return Gone(what)
    return Unavailable(what) if status == 429 or status >= 500 else Refused(what, status)


def _lines(connection: Connection, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    method, url, headers, body, _ = connection.client.param_serialize(
        "GET", path, None, list(query.items()), {"Accept": "application/json"}, auth_settings=["BearerToken"]
    )
    response = None
    try:
        answer = connection.client.call_api(method, url, headers, body, _request_timeout=(TIMEOUT_S, SILENCE_S))
        response = answer.response
        if answer.status != 200:
            raise _error(Collection(path, query), answer.status, answer.read()[:400].decode(errors="replace"))
        yield from _split(response.stream(None))
    except (HTTPError, OSError, ApiException) as error:
        raise Unavailable(f"watch {path}: {error or type(error).__name__}") from error
    finally:
        if response is not None:
            response.close()  # in the middle of a stream it cannot go back to the pool


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > LARGEST_EVENT_BYTES:
            raise Unavailable(f"an event of more than {LARGEST_EVENT_BYTES} bytes")
        yield from filter(None, lines)
