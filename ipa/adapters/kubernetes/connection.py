"""Requests to one API server: JSON in, JSON out, each with a time-out, repeated where that may help.

The official client reads the kubeconfig and speaks TLS and authentication; its generated models are left out, since
they cost more than everything else in a turn of the loop.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ipa.errors import IpaError, Unavailable

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Json = dict[str, Any]

APPLY_PATCH = "application/apply-patch+yaml"
"""https://kubernetes.io/docs/reference/using-api/server-side-apply/#serialization (JSON is YAML)"""
MERGE_PATCH = "application/merge-patch+json"
TIMEOUT_S = 4.0
"""Of one attempt. Less than the 5 s between the renew deadline and the end of a lease: what a leader sent before its
deadline has been answered or given up before another one may act."""
ATTEMPTS = 4
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 5.0


class Refused(IpaError):
    """The API server said no, for good: 4xx but 429. `reason` is the machine-readable one of its Status."""

    def __init__(self, message: str, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """`path` starts at the root of the server; `query` without what is empty."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Json | None = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Requests:
    """How many were sent; a benchmark reads it."""

    sent: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """`sleep` waits between attempts; `before_write` is asked before each attempt of a write and raises to forbid it.

    Threads may share one.
    """

    client: ApiClient
    namespace: str
    sleep: Callable[[float], None] = time.sleep
    before_write: Callable[[], None] = lambda: None
    jitter: Callable[[], float] = random.random
    requests: Requests = field(default_factory=Requests)

    def guarded(self, before_write: Callable[[], None]) -> Connection:
        return replace(self, before_write=before_write)

    def path(self, group: str, resource: str, name: str = "") -> str:
        """`/api/v1/…` for group "v1", `/apis/apps/v1/…` for "apps/v1"; of this namespace."""
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        return "/".join([root, "namespaces", self.namespace, resource, *([name] if name else [])])

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        return self._repeated(Request("GET", path, query or {}))

    def find(self, path: str) -> Json | None:
        """As get; None where there is no such object."""
        try:
            return self.get(path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, body: Json, query: Mapping[str, str] | None = None) -> Json:
        return self._repeated(Request("POST", path, query or {}, body))

    def update(self, path: str, body: Json, query: Mapping[str, str] | None = None) -> Json:
        return self._repeated(Request("PUT", path, query or {}, body))

    def patch(self, path: str, body: Json, content_type: str, query: Mapping[str, str]) -> Json:
        return self._repeated(Request("PATCH", path, query, body, content_type))

    def once(self, request: Request) -> Json:
        """One attempt. Raises Unavailable for what may come back, Refused for what will not."""
        answer = self._attempt(request)
        if isinstance(answer, Later):
            raise Unavailable(answer.why)
        return answer

    def _repeated(self, request: Request) -> Json:
        """Raises Unavailable when every attempt failed, Refused at once."""
        later = None
        for attempt in range(ATTEMPTS):
            if later is not None:
                self.sleep(delay_s(attempt, later.retry_after_s, self.jitter()))
            if request.method != "GET":
                self.before_write()
            answer = self._attempt(request)
            if not isinstance(answer, Later):
                return answer
            later = answer
        assert later is not None
        raise Unavailable(f"{later.why}, {ATTEMPTS} times")

    def _attempt(self, request: Request) -> Json | Later:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", "Content-Type": request.content_type}
        query = list(request.query.items())
        method, url, sent, body, _ = self.client.param_serialize(
            request.method, request.path, None, query, headers, request.body, auth_settings=["BearerToken"]
        )
        self.requests.sent += 1
        try:
            answer = self.client.call_api(method, url, sent, body, _request_timeout=TIMEOUT_S)
            text = answer.read()
        except (HTTPError, OSError, ApiException) as error:  # ApiException here: TLS failed, with the reason in it
            return Later(f"{request}: {_said(error)}", None)
        return _answered(request, answer.status, answer.getheader("Retry-After"), text)


@dataclass(frozen=True, slots=True)
class Later:
    """An attempt that failed in a way that may pass."""

    why: str
    retry_after_s: float | None


def delay_s(attempt: int, retry_after_s: float | None, jitter: float) -> float:
    """Before the attempt of this number, from 1: what the server asked for, else doubling; by up to half longer.

    `jitter` in 0…1 spreads those that failed together. Bounded, so that no request takes long to fail.
    """
    wanted_s = FIRST_DELAY_S * 2 ** (attempt - 1) if retry_after_s is None else retry_after_s
    return min(LONGEST_DELAY_S, wanted_s) * (1 + jitter / 2)


def _answered(request: Request, status: int, retry_after: str | None, text: bytes) -> Json | Later:
    """The document, or what the Status object in its place says."""
    try:
        document = json.loads(text) if text else {}
    except ValueError:
        document = {"message": text[:200].decode(errors="replace")}
    if not isinstance(document, dict):
        document = {"message": str(document)[:200]}
    if 200 <= status < 300:
        return document
    message = document.get("message") or "no reason given"
    if status == 429 or status >= 500:
        asked_s = float(retry_after) if retry_after and retry_after.isdecimal() else None
        return Later(f"{request}: {status} {message}", asked_s)
    raise Refused(f"{request}: {status} {message}{_HINTS.get(status, '')}", status, document.get("reason") or "")


_HINTS = {
    401: " (the credentials of this kubeconfig context or ServiceAccount are not valid)",
    403: " (the Role that `ipa manifests` renders allows what is needed)",
}


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
