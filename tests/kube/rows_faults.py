"""Rows about faults on demand, the records of requests, and real processes behind pods: the double's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import urllib3

from tests.kube.asking import Row, asking, config_map, deployment, ready, until
from tests.kube.double import Double
from tests.kube.faults import Fault
from tests.kube.fixtures import Cluster
from tests.kube.node import Address
from tests.kube.resources import Object

_STATUS = "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/"
_FAIRNESS = "https://kubernetes.io/docs/concepts/cluster-administration/flow-control/"
_HEALTH = "https://kubernetes.io/docs/reference/using-api/health-checks/"


def _double(cluster: Cluster) -> Double:
    assert cluster.double is not None
    return cluster.double


def _refusals(cluster: Cluster) -> None:
    ask, faults = asking(cluster), _double(cluster).faults
    faults.refuse(500, count=2, methods="PATCH|PUT", path="/configmaps/")
    ask.create("configmaps", config_map("a", k="1"))
    codes = [ask.patch("configmaps", "a", {"data": {"k": "2"}}).code for _ in range(3)]
    assert codes == [500, 500, 200]
    reasons = {409: "Conflict", 503: "ServiceUnavailable", 504: "Timeout"}
    for code, reason in reasons.items():
        faults.refuse(code)
        answer = ask.list("configmaps")
        assert (answer.code, answer.body["code"], answer.body["reason"]) == (code, code, reason)
    faults.refuse(429, retry_after_s=3)
    busy = ask.list("configmaps")
    assert (busy.code, busy.headers["Retry-After"]) == (429, "3")
    assert busy.body == "Too many requests, please try again later.\n"
    faults.refuse(500, count=9)
    faults.clear()
    assert ask.list("configmaps").code == 200


def _cuts(cluster: Cluster) -> None:
    ask, double = asking(cluster), _double(cluster)
    double.faults.add(Fault("cut", methods="POST"))
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask.create("configmaps", config_map("a"))
    assert ask.get("configmaps", "a").code == 404
    double.faults.add(Fault("cut after", methods="POST"))
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask.create("configmaps", config_map("a"))
    assert ask.get("configmaps", "a").code == 200  # done, though nobody was told


def _slow(cluster: Cluster) -> None:
    ask = asking(cluster)
    _double(cluster).faults.add(Fault("slow", delay_s=0.2))
    began_s = time.monotonic()
    assert ask.list("configmaps").code == 200
    assert time.monotonic() - began_s >= 0.2


def _away(cluster: Cluster) -> None:
    ask, double = asking(cluster), _double(cluster)
    ask.apply("deployments", "web", deployment(), "me")
    ready(ask, "web", 1)
    with double.away():
        with pytest.raises(urllib3.exceptions.HTTPError):
            ask.get("deployments", "web")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(double.url.rpartition(":")[2])), timeout=5)
    assert ready(ask, "web", 1)
    assert ask.raw("GET", "/readyz").body == "ok"


def _records(cluster: Cluster) -> None:
    ask, double = asking(cluster), _double(cluster)
    ask.api.user_agent = "counted/1.0"
    ask.create("configmaps", config_map("a"))
    double.forget_records()
    ask.raw("GET", ask.at("configmaps", "a"))
    ask.apply("configmaps", "a", {"data": {"k": "1"}}, "me")
    ask.watch("configmaps", bool)
    found = double.records
    assert [(r.method, r.verb, r.resource, r.name) for r in found] == [
        ("GET", "get", "configmaps", "a"),
        ("PATCH", "patch", "configmaps", "a"),
        ("GET", "watch", "configmaps", ""),
    ]
    assert found[1].query["fieldManager"] == "me"
    assert [r.at_s for r in found] == sorted(r.at_s for r in found)


@dataclass
class _Listeners:
    """A runner whose processes are listening sockets: what a model server is to the endpoints."""

    open: dict[str, socket.socket] = field(default_factory=dict)
    stopped: list[tuple[str, float]] = field(default_factory=list)

    def start(self, pod: Object) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        self.open[pod["metadata"]["name"]] = listener
        return Address("127.0.0.1", {"grpc": listener.getsockname()[1]})

    def stop(self, pod: Object, grace_s: float) -> None:
        name = pod["metadata"]["name"]
        self.open.pop(name).close()
        self.stopped.append((name, grace_s))


def _processes(cluster: Cluster) -> None:
    ask, runner = asking(cluster), _Listeners()
    _double(cluster).set(runner=runner)
    ports = [{"name": "grpc", "port": 8081, "targetPort": "grpc"}]
    spec = {"clusterIP": "None", "selector": {"app": "web"}, "ports": ports}
    ask.create("services", {"metadata": {"name": "web"}, "spec": spec})
    ask.apply("deployments", "web", deployment(replicas=2), "me")
    ready(ask, "web", 2)

    def slices() -> list[Object]:
        found: list[Object] = ask.list("endpointslices").body["items"]
        return found

    until(lambda: len([s for s in slices() if s["endpoints"][0]["conditions"]["ready"]]) == 2)
    for one in slices():  # one slice for each port
        [endpoint], [port] = one["endpoints"], one["ports"]
        assert runner.open[endpoint["targetRef"]["name"]].getsockname()[1] == port["port"]
        socket.create_connection((endpoint["addresses"][0], port["port"]), timeout=5).close()
    ask.patch("deployments", "web", {"spec": {"replicas": 0}})
    until(lambda: not ask.list("pods").body["items"])
    assert (runner.open, [grace_s for _, grace_s in runner.stopped]) == ({}, [1.0, 1.0])
    until(lambda: not slices())


def _deleted_while_starting(cluster: Cluster) -> None:
    started = threading.Event()

    class Loading(_Listeners):
        def start(self, pod: Object) -> Address:
            assert started.wait(20)
            return super().start(pod)

    ask, runner = asking(cluster), Loading()
    _double(cluster).set(runner=runner)
    ask.apply("deployments", "web", deployment(), "me")
    [pod] = until(lambda: [p for p in ask.list("pods").body["items"] if p["spec"].get("nodeName")])
    ask.patch("deployments", "web", {"spec": {"replicas": 0}})
    name = pod["metadata"]["name"]
    until(lambda: ask.get("pods", name).body["metadata"].get("deletionTimestamp"))
    started.set()
    until(lambda: ask.get("pods", name).code == 404)
    until(lambda: runner.stopped)
    assert runner.open == {}


def _broken_process(cluster: Cluster) -> None:
    class Broken(_Listeners):
        def start(self, pod: Object) -> Address:
            raise OSError("no model file")

    ask = asking(cluster)
    _double(cluster).set(runner=Broken())
    ask.apply("deployments", "web", deployment(), "me")

    def waiting() -> Object | None:
        states = [s for p in ask.list("pods").body["items"] for s in p["status"].get("containerStatuses", [])]
        return next((s["state"]["waiting"] for s in states if "waiting" in s["state"]), None)

    assert until(waiting) == {"reason": "CrashLoopBackOff", "message": "no model file"}


def _many_at_once(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("configmaps", config_map("a", k="0"))
    outcomes: list[int] = []

    def bump() -> None:
        mine = asking(cluster)
        live = mine.get("configmaps", "a").body
        live["data"]["k"] = str(int(live["data"]["k"]) + 1)
        outcomes.append(mine.put("configmaps", "a", live).code)

    threads = [threading.Thread(target=bump) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {200, 409}
    assert int(ask.get("configmaps", "a").body["data"]["k"]) == outcomes.count(200)


def _row(name: str, page: str, check: Callable[[Cluster], None]) -> Row:
    return Row(name, page, check, "double")


ROWS = [
    _row("the next requests are refused as told", _STATUS, _refusals),
    _row("a connection is cut before or after the deed", _FAIRNESS, _cuts),
    _row("an answer is slow", _FAIRNESS, _slow),
    _row("the server is away and comes back where it was", _HEALTH, _away),
    _row(
        "every request is recorded",
        "https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb",
        _records,
    ),
    _row(
        "a pod runs a real process, on a port of its own",
        "https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors",
        _processes,
    ),
    _row(
        "a pod deleted while it starts leaves no process",
        "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
        _deleted_while_starting,
    ),
    _row(
        "a process that does not start is waited for",
        "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-state-waiting",
        _broken_process,
    ),
    Row(
        "of writers at once one a version wins",
        "https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions",
        _many_at_once,
    ),
]
