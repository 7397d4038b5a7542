"""Watches: what happened since a version, line by line, until the time is over, the client goes, or a test ends them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.kube.failures import Refused
from tests.kube.requests import Asked
from tests.kube.resources import Object
from tests.kube.selectors import Test
from tests.kube.server import Cut, Exchange, Send
from tests.kube.store import Change, Store


@dataclass
class Watches:
    """All open watches; `bookmark_every_s` is about a minute on a real server."""

    store: Store
    bookmark_every_s: float = 60.0
    open: int = 0
    _orders: dict[str, int] = field(default_factory=lambda: {"end": 0, "cut": 0})

    def end(self) -> None:
        """Every open watch ends as if its time were over."""
        self._order("end")

    def cut(self) -> None:
        """Every open watch loses its connection."""
        self._order("cut")

    def _order(self, kind: str) -> None:
        with self.store.changed:
            self._orders[kind] += 1
            self.store.changed.notify_all()

    def serve(self, asked: Asked, query: dict[str, str], wanted: Test, exchange: Exchange) -> None:
        with self.store.changed:
            self.open += 1
        try:
            self._serve(asked, query, wanted, exchange)
        finally:
            with self.store.changed:
                self.open -= 1
                self.store.changed.notify_all()

    def _serve(self, asked: Asked, query: dict[str, str], wanted: Test, exchange: Exchange) -> None:
        orders = dict(self._orders)
        asked_version = query.get("resourceVersion") or "0"
        with self.store.changed:
            first = self._first(asked, wanted) if asked_version == "0" else []
            at = self.store.version if asked_version == "0" else int(asked_version)
        send = exchange.start_stream()
        for event in first:
            send(event)
        ends_s = time.monotonic() + float(query.get("timeoutSeconds") or 1800)
        stream = _Stream(self, asked, wanted, exchange, send, at, orders)
        stream.run(ends_s, bookmarks=query.get("allowWatchBookmarks") in ("true", "1"))
        exchange.end_stream()

    def _first(self, asked: Asked, wanted: Test) -> list[Object]:
        found = self.store.selection(asked.resource, asked.namespace)
        return [{"type": "ADDED", "object": o} for o in found if wanted(o)]

    def ordered(self, since: dict[str, int]) -> str:
        """ "end" or "cut" if a test asked for it since then, else ""."""
        return next((kind for kind, count in self._orders.items() if count != since[kind]), "")


@dataclass
class _Stream:
    watches: Watches
    asked: Asked
    wanted: Test
    exchange: Exchange
    send: Send
    at: int
    orders: dict[str, int]

    def run(self, ends_s: float, bookmarks: bool) -> None:
        bookmark_s = time.monotonic() + self.watches.bookmark_every_s
        while time.monotonic() < ends_s:
            try:
                changes = self._wait(min(ends_s, bookmark_s) if bookmarks else ends_s)
            except Refused as refused:
                self.send({"type": "ERROR", "object": refused.status()})
                return
            for event in self._events(changes):
                self.send(event)
            order = self.watches.ordered(self.orders)
            if order == "cut":
                raise Cut
            if order == "end" or self.exchange.hung_up():
                return
            if bookmarks and time.monotonic() >= bookmark_s:
                self.send(self._bookmark())
                bookmark_s += self.watches.bookmark_every_s
        if bookmarks:
            self.send(self._bookmark())

    def _wait(self, until_s: float) -> list[Change]:
        """The next changes, or none when the time, an order or half a second (to see a client go) has come."""
        store = self.watches.store
        with store.changed:
            fresh = store.since(self.at)
            if not fresh and not self.watches.ordered(self.orders):
                store.changed.wait(max(0.0, min(0.5, until_s - time.monotonic())))
                fresh = store.since(self.at)
            self.at = max(self.at, store.version)
            return fresh

    def _events(self, changes: list[Change]) -> list[Object]:
        """What a selector lets through: an object that starts to match is added, one that stops is deleted."""
        found = []
        for change in changes:
            if change.key[0] != self.asked.resource.qualified or self.asked.namespace not in ("", change.key[1]):
                continue
            was = change.old is not None and self.wanted(change.old)
            now = change.new is not None and self.wanted(change.new)
            if now:
                found.append({"type": "MODIFIED" if was else "ADDED", "object": change.new})
            elif was and change.old is not None:
                last = change.new or change.old
                meta = last["metadata"] | {"resourceVersion": str(change.version)}
                found.append({"type": "DELETED", "object": last | {"metadata": meta}})
        return found

    def _bookmark(self) -> Object:
        meta: Object = {"resourceVersion": str(self.at), "creationTimestamp": None}
        resource = self.asked.resource
        kind = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        return {"type": "BOOKMARK", "object": kind}
