"""A collection and its changes, over the double's real HTTP, through all that a watch suffers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipa.adapters.kubernetes import watch
from ipa.adapters.kubernetes.connection import MERGE_PATCH, Connection
from ipa.adapters.kubernetes.credentials import client_of
from ipa.adapters.kubernetes.watch import Collection, Objects, changes, delay_s
from tests.adapters.https_server import Asked, Reply, answering
from tests.kube.double import Double, kubeconfig
from tests.kube.faults import Fault
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    client, namespace = client_of(str(cluster.kubeconfig), None)
    yield Connection(client, namespace)
    client.rest_client.pool_manager.clear()


class Watching:
    """The changes of the ConfigMaps labelled `seen`, as name → value; `slept_s` is what it waited between attempts."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.path = connection.path("v1", "configmaps")
        self.slept_s: list[float] = []
        self.then: Callable[[], None] = lambda: None
        self._changes = changes(connection, Collection(self.path, {"labelSelector": "seen"}), self._sleep)

    def _sleep(self, seconds: float) -> None:
        """`then` may end what it waits for."""
        self.slept_s.append(seconds)
        self.then()

    def next(self) -> dict[str, str]:
        return values(next(self._changes))

    def until(self, wanted: dict[str, str]) -> None:
        """The next states up to this one: a relist may tell the last one again."""
        for _ in range(10):
            if self.next() == wanted:
                return
        raise AssertionError(f"never {wanted}")

    def create(self, name: str, value: str = "", **labels: str) -> None:
        body = {"metadata": {"name": name, "labels": {"seen": "", **labels}}, "data": {"value": value}}
        self.connection.create(self.path, body)

    def set(self, name: str, value: str) -> None:
        self.connection.patch(f"{self.path}/{name}", {"data": {"value": value}}, MERGE_PATCH, {})

    def label(self, name: str, value: str | None) -> None:
        body = {"metadata": {"labels": {"seen": value}}}
        self.connection.patch(f"{self.path}/{name}", body, MERGE_PATCH, {})


def values(objects: Objects) -> dict[str, str]:
    return {name: found["data"]["value"] for name, found in objects.items()}


@pytest.fixture
def watching(connection: Connection) -> Watching:
    return Watching(connection)


@pytest.mark.cluster
def test_all_there_is_then_every_change(watching: Watching) -> None:
    watching.create("a", "1")
    assert watching.next() == {"a": "1"}
    watching.create("b", "1")
    assert watching.next() == {"a": "1", "b": "1"}
    watching.set("a", "2")
    assert watching.next() == {"a": "2", "b": "1"}
    watching.label("b", None)
    assert watching.next() == {"a": "2"}
    assert watching.slept_s == []


def watches(double: Double) -> list[str]:
    return [record.query["resourceVersion"] for record in double.records if record.verb == "watch"]


def lists(double: Double) -> int:
    return len([record for record in double.records if record.verb == "list" and record.resource == "configmaps"])


@pytest.mark.cluster
def test_a_watch_that_ends_goes_on_from_where_it_was(
    watching: Watching, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WATCH_S", 1)
    watching.create("a", "1")
    assert watching.next() == {"a": "1"}
    watching.set("a", "2")
    assert watching.next() == {"a": "2"}
    double.watches.end()
    watching.set("a", "3")
    assert watching.next() == {"a": "3"}
    assert lists(double) == 1


@pytest.mark.cluster
@pytest.mark.parametrize("fault", ["cut", "refused", "cut at once"])
def test_a_watch_that_breaks_goes_on_and_loses_nothing(watching: Watching, double: Double, fault: str) -> None:
    watching.create("a", "1")
    assert watching.next() == {"a": "1"}
    watching.set("a", "2")
    assert watching.next() == {"a": "2"}
    double.watches.cut()
    if fault == "refused":
        double.faults.refuse(503, count=2, methods="GET", path="watch=true")
    if fault == "cut at once":
        double.faults.add(Fault("cut", 2, "GET", "watch=true"))
    watching.set("a", "3")
    watching.create("b", "1")
    watching.until({"a": "3", "b": "1"})
    assert lists(double) == 1 and len(set(watches(double))) == 2
    assert len(watching.slept_s) == (1 if fault == "cut" else 3)


@pytest.mark.cluster
def test_a_version_that_is_too_old_lists_anew(watching: Watching, double: Double) -> None:
    watching.create("a", "1")
    watching.create("b", "1")
    assert watching.next() == {"a": "1", "b": "1"}
    watching.set("a", "2")
    assert watching.next() == {"a": "2", "b": "1"}
    double.watches.cut()
    watching.label("b", None)
    watching.create("c", "1")
    double.store.compact()
    watching.until({"a": "2", "c": "1"})
    assert lists(double) == 2


@pytest.mark.cluster
def test_while_the_server_is_away_it_waits_and_says_so_once(
    watching: Watching, double: Double, caplog: pytest.LogCaptureFixture
) -> None:
    watching.create("a", "1")
    assert watching.next() == {"a": "1"}
    watching.set("a", "2")
    assert watching.next() == {"a": "2"}

    def back_after_five() -> None:
        if len(watching.slept_s) == 5:
            double.serve_again()
            watching.set("a", "3")

    watching.then = back_after_five
    double.stop_serving()
    with caplog.at_level(logging.WARNING):
        assert watching.next() == {"a": "3"}
    said = [record.message for record in caplog.records if "watching" in record.message]
    assert len(said) == 2 and "what was known stands" in said[0] and "works again" in said[1], said
    assert len(watching.slept_s) >= 5


@pytest.mark.parametrize(("tries", "least", "most"), [(0, 0.05, 0.1), (1, 0.1, 0.2), (3, 0.4, 0.8), (50, 0.75, 1.5)])
def test_delays_double_up_to_less_than_a_controller_waits(tries: int, least: float, most: float) -> None:
    assert (delay_s(tries, 1.0), delay_s(tries, 0.0)) == pytest.approx((least, most))


# --- what no API server says -------------------------------------------------------------------------------------

LIST = Reply(200, json.dumps({"metadata": {"resourceVersion": "5"}, "items": []}).encode())
OBJECT = {"metadata": {"name": "a", "resourceVersion": "6"}, "data": {"value": "1"}}
ADDED = json.dumps({"type": "ADDED", "object": OBJECT}).encode() + b"\n"


def error_event(code: int) -> bytes:
    return json.dumps({"type": "ERROR", "object": {"code": code, "message": "because"}}).encode() + b"\n"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"no JSON\n", "is no event"),
        (b"[]\n", "is no event"),
        (b'{"type": "ADDED"}\n', "is no event"),
        (b'{"type": "ADDED", "object": {"metadata": {}}}\n', "is no event"),
        (error_event(500), "500 because"),
        (error_event(403), "403 because"),
        (b"x" * 20_000, "an event of more than 10000 bytes"),
    ],
)
def test_a_watch_that_makes_no_sense_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, body: bytes, says: str
) -> None:
    monkeypatch.setattr(watch, "LARGEST_EVENT_BYTES", 10_000)
    replies = iter([LIST, Reply(200, body), Reply(403, b"{}"), Reply(200, b""), Reply(200, ADDED)])
    asked: list[Asked] = []

    def answer(question: Asked) -> Reply:
        asked.append(question)
        return next(replies)

    with answering(answer) as url:
        found = changes(_to(url, tmp_path), Collection("/api/v1/configmaps", {}), lambda _: None)
        assert values(next(found)) == {}
        assert values(next(found)) == {"a": "1"}
    assert says in caplog.text and "works again" in caplog.text
    assert [question.params.get("resourceVersion") for question in asked] == [None, "5", "5", "5", "5"]


@pytest.mark.parametrize("status", [200, 410])
def test_410_lists_anew_be_it_an_event_or_a_status(tmp_path: Path, status: int) -> None:
    replies = iter(
        [LIST, Reply(status, error_event(410)), Reply(200, LIST.body.replace(b"5", b"9")), Reply(200, ADDED)]
    )
    asked: list[Asked] = []

    def answer(question: Asked) -> Reply:
        asked.append(question)
        return next(replies)

    with answering(answer) as url:
        found = changes(_to(url, tmp_path), Collection("/api/v1/configmaps", {}), lambda _: None)
        assert [values(next(found)) for _ in range(3)] == [{}, {}, {"a": "1"}]
    assert [question.params.get("resourceVersion") for question in asked] == [None, "5", None, "9"]


def _to(url: str, folder: Path) -> Connection:
    path = folder / "kubeconfig"
    path.write_text(json.dumps(kubeconfig(url, "ns", "token")))
    return Connection(*client_of(str(path), None))
