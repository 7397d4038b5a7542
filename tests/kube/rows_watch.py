"""Rows about watches: from a version, by selector, bookmarks, their end, and what is too old."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import urllib3

from tests.kube.asking import Asking, Row, asking, until
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

_WATCH = "https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes"
_BOOKMARKS = "https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks"


def _lease(name: str) -> Object:
    return {"metadata": {"name": name}, "spec": {}}


def _events(ask: Asking, count: int, **query: Any) -> list[Any]:
    """The first events that the official client's own Watch yields (leases: their part is quick to import)."""
    from kubernetes import client, watch

    list_leases = client.CoordinationV1Api(ask.api).list_namespaced_lease
    stream = watch.Watch().stream(list_leases, ask.namespace, timeout_seconds=20, _request_timeout=20, **query)
    try:
        return list(itertools.islice(stream, count))
    finally:
        stream.close()


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
    events = _events(ask, 3, resource_version=version)
    assert _names(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert int(events[-1]["object"].metadata.resource_version) > int(gone)


def _from_nothing(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("leases", _lease("a"))
    events = _names(_events(ask, 1, field_selector="metadata.name=a"))
    assert events == [("ADDED", "a")]


def _live(cluster: Cluster) -> None:
    ask = asking(cluster)
    version = ask.list("leases").body["metadata"]["resourceVersion"]
    seen: list[Any] = []
    took = threading.Event()

    def follow() -> None:
        seen.extend(_events(ask, 1, resource_version=version))
        took.set()

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
    events = _events(ask, 3, resource_version=version, label_selector="on=yes")
    assert _names(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def _bookmarks(cluster: Cluster) -> None:
    assert cluster.double is not None
    ask = asking(cluster)
    first = ask.list("leases").body["metadata"]["resourceVersion"]
    ask.create("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    cluster.double.watches.bookmark_every_s = 0.05
    [event] = ask.watch("leases", bool, resourceVersion=first, allowWatchBookmarks="true")
    assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "Lease")
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(first)


def _too_old(cluster: Cluster) -> None:
    assert cluster.double is not None
    ask = asking(cluster)
    ask.create("leases", _lease("a"))
    ask.create("leases", _lease("b"))
    listed = ask.list("leases", limit=1).body["metadata"]
    cluster.double.store.compact()
    [first] = ask.watch("leases", bool, resourceVersion=listed["resourceVersion"])
    assert (first["type"], first["object"]["code"], first["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert first["object"]["message"].startswith("too old resource version")
    page = ask.list("leases", **{"limit": 1, "continue": listed["continue"]})
    assert (page.code, page.body["reason"]) == (410, "Expired")
    fresh = ask.list("leases").body["metadata"]["resourceVersion"]
    ask.create("leases", _lease("c"))
    [next_one] = ask.watch("leases", bool, resourceVersion=fresh)
    assert (next_one["type"], next_one["object"]["metadata"]["name"]) == ("ADDED", "c")


def _ends(cluster: Cluster) -> None:
    double = cluster.double
    assert double is not None
    for order, broken in ((double.watches.end, False), (double.watches.cut, True)):
        outcome: list[bool] = []

        def follow(found: list[bool] = outcome) -> None:
            try:
                asking(cluster).watch("leases", lambda events: False, timeoutSeconds=30)
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
