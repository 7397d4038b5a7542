"""Rows about watches: from a version, by selector, bookmarks, their end, and what is too old."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import urllib3

from tests.kube.asking import Asking, Row, asking, until
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

_WATCH = "https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes"
_BOOKMARKS = "https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks"


def _lease(name: str) -> Object:
    return {"metadata": {"name": name}, "spec": {}}


def _events(ask: Asking, **query: Any) -> Iterator[Any]:
    """What the official client's own Watch yields (of leases: their part of the client is quick to import)."""
    from kubernetes import client, watch

    list_leases = client.CoordinationV1Api(ask.api).list_namespaced_lease
    yield from watch.Watch().stream(list_leases, ask.namespace, _request_timeout=20, **query)


def _names(events: list[Any]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"].metadata.name) for e in events]


def _from_version(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("leases", _lease("before"))
    version = ask.list("leases").body["metadata"]["resourceVersion"]
    ask.create("leases", _lease("a"))
    ask.patch("leases", "a", {"spec": {"holderIdentity": "2"}})
    gone = ask.get("leases", "a").body["metadata"]["resourceVersion"]
    ask.delete("leases", "a")
    events = list(_events(ask, resource_version=version, timeout_seconds=1))
    assert _names(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert int(events[-1]["object"].metadata.resource_version) > int(gone)


def _from_nothing(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("leases", _lease("a"))
    events = _names(list(_events(ask, timeout_seconds=1, field_selector="metadata.name=a")))
    assert events == [("ADDED", "a")]


def _live(cluster: Cluster) -> None:
    ask = asking(cluster)
    version = ask.list("leases").body["metadata"]["resourceVersion"]
    seen: list[Any] = []
    took = threading.Event()

    def follow() -> None:
        for event in _events(ask, resource_version=version, timeout_seconds=10):
            seen.append(event)
            took.set()
            return

    thread = threading.Thread(target=follow)
    thread.start()
    asking(cluster).create("leases", _lease("late"))
    assert took.wait(10)
    thread.join()
    assert _names(seen) == [("ADDED", "late")]


def _by_selector(cluster: Cluster) -> None:
    ask = asking(cluster)
    version = ask.list("leases").body["metadata"]["resourceVersion"]
    ask.create("leases", _lease("a"))
    ask.patch("leases", "a", {"metadata": {"labels": {"on": "yes"}}})
    ask.patch("leases", "a", {"spec": {"holderIdentity": "1"}})
    ask.patch("leases", "a", {"metadata": {"labels": {"on": "no"}}})
    events = list(_events(ask, resource_version=version, timeout_seconds=1, label_selector="on=yes"))
    assert _names(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def _bookmarks(cluster: Cluster) -> None:
    ask = asking(cluster)
    first = ask.list("leases").body["metadata"]["resourceVersion"]
    ask.create("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    lines = _raw_watch(cluster, resourceVersion=first, allowWatchBookmarks="true", timeoutSeconds=1)
    marks = [line["object"] for line in lines if line["type"] == "BOOKMARK"]
    assert marks[-1]["kind"] == "Lease"
    assert int(marks[-1]["metadata"]["resourceVersion"]) > int(first)


def _raw_watch(cluster: Cluster, **query: Any) -> list[Object]:
    """All lines of one watch, as they came."""
    import json

    ask = asking(cluster)
    text = ask.raw("GET", ask.at("leases"), watch="true", **query).body
    return [json.loads(line) for line in text.splitlines()]


def _too_old(cluster: Cluster) -> None:
    assert cluster.double is not None
    ask = asking(cluster)
    ask.create("leases", _lease("a"))
    ask.create("leases", _lease("b"))
    listed = ask.list("leases", limit=1).body["metadata"]
    cluster.double.store.compact()
    first = _raw_watch(cluster, resourceVersion=listed["resourceVersion"], timeoutSeconds=1)[0]
    assert (first["type"], first["object"]["code"], first["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert first["object"]["message"].startswith("too old resource version")
    page = ask.list("leases", **{"limit": 1, "continue": listed["continue"]})
    assert (page.code, page.body["reason"]) == (410, "Expired")
    fresh = ask.list("leases").body["metadata"]["resourceVersion"]
    lines = _raw_watch(cluster, resourceVersion=fresh, timeoutSeconds=1)
    assert [line for line in lines if line["type"] == "ERROR"] == []


def _ends(cluster: Cluster) -> None:
    double = cluster.double
    assert double is not None
    for order, broken in ((double.watches.end, False), (double.watches.cut, True)):
        outcome: list[bool] = []

        def follow(found: list[bool] = outcome) -> None:
            try:
                _raw_watch(cluster, resourceVersion="0", timeoutSeconds=30)
            except urllib3.exceptions.HTTPError:
                found.append(True)
            else:
                found.append(False)

        thread = threading.Thread(target=follow)
        thread.start()
        until(lambda: double.watches.open == 1)
        order()
        thread.join(10)
        assert outcome == [broken]
        until(lambda: double.watches.open == 0)


ROWS = [
    Row("a watch resumes from a version", _WATCH, _from_version),
    Row("a watch without a version begins with what there is", _WATCH, _from_nothing),
    Row("a watch shows what happens now", _WATCH, _live),
    Row("a watch by selector adds what begins to match", _WATCH, _by_selector),
    Row("bookmarks carry the version on", _BOOKMARKS, _bookmarks, "double"),
    Row(
        "a version that is compacted away answers 410",
        "https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses",
        _too_old,
        "double",
    ),
    Row("watches end or break when told", _WATCH, _ends, "double"),
]
