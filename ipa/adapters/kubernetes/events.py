"""Events: why ipa did something, on the objects it did it to, where `kubectl describe` shows it.

The same sentence about the same object is counted up, not repeated, and no object gets more than a burst and then one
in five minutes: client-go's correlation (k8s.io/client-go/tools/record/events_cache.go), in small.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

from ipa.adapters.kubernetes.connection import MERGE_PATCH, Connection, Json, Request
from ipa.adapters.kubernetes.elector import steady_s
from ipa.adapters.kubernetes.lease import micro_time
from ipa.adapters.kubernetes.observe import Deployment
from ipa.errors import IpaError

_log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

BURST, REFILL_S = 25, 300.0
REMEMBERED = 512
LONGEST_MESSAGE = 1000
"""The API server takes 1024 bytes (k8s.io/kubernetes/pkg/apis/core/validation/events.go)."""
WARNINGS = frozenset({"NotChanged", "NotReady", "Drift", "NoRoom"})


@dataclass(slots=True)
class _Known:
    name: str
    count: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


@dataclass(slots=True)
class Events:
    """Telling never fails a change: what cannot be told is logged."""

    connection: Connection
    now_s: Callable[[], float] = steady_s
    wall_s: Callable[[], float] = time.time
    _known: OrderedDict[tuple[str, str, str], _Known] = field(init=False, default_factory=OrderedDict)
    _buckets: OrderedDict[str, _Bucket] = field(init=False, default_factory=OrderedDict)

    def tell(self, reason: str, message: str, about: Iterable[Deployment]) -> None:
        """An Event on each of the objects; `reason` is one CamelCase word."""
        for deployment in about:
            if not self._allowed(deployment.uid):
                continue
            try:
                self._tell(reason, message[:LONGEST_MESSAGE], deployment)
            except IpaError as error:
                _log.warning("no event %s on %s: %s", reason, deployment.name, error)

    def _tell(self, reason: str, message: str, deployment: Deployment) -> None:
        key = (deployment.uid, reason, message)
        known = self._known.get(key)
        at = micro_time(self.wall_s()).partition(".")[0] + "Z"
        if known is None:
            name = f"{deployment.name}.{uuid4().hex[:16]}"
            body = self._document(name, reason, message, deployment, at)
            self.connection.once(Request("POST", self.connection.path("v1", "events"), {}, body))
            _remember(self._known, key, _Known(name, 1))
            return
        patch = {"count": known.count + 1, "lastTimestamp": at}
        path = self.connection.path("v1", "events", known.name)
        self._known.pop(key)  # forgotten if this fails: the server drops events after an hour
        self.connection.once(Request("PATCH", path, {}, patch, MERGE_PATCH))
        _remember(self._known, key, _Known(known.name, known.count + 1))

    def _document(self, name: str, reason: str, message: str, deployment: Deployment, at: str) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": self.connection.namespace},
            "involvedObject": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": deployment.name,
                "namespace": self.connection.namespace,
                "uid": deployment.uid,
            },
            "type": "Warning" if reason in WARNINGS else "Normal",
            "reason": reason,
            "message": message,
            "source": {"component": "ipa"},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }

    def _allowed(self, uid: str) -> bool:
        now_s = self.now_s()
        bucket = self._buckets.pop(uid, None) or _Bucket(BURST, now_s)
        tokens = min(BURST, bucket.tokens + (now_s - bucket.at_s) / REFILL_S)
        _remember(self._buckets, uid, _Bucket(tokens - 1 if tokens >= 1 else tokens, now_s))
        return tokens >= 1


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    """As the newest; the oldest is forgotten."""
    known[key] = value
    if len(known) > REMEMBERED:
        known.popitem(last=False)
