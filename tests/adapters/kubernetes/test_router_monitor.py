"""Arrivals of all routers of a pipeline, as small servers behind endpoints of the double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ipa.adapters.kubernetes.connection import Connection, Request
from ipa.adapters.kubernetes.credentials import client_of
from ipa.adapters.kubernetes.router_monitor import RoutersMonitor, by_proxy
from ipa.errors import Unavailable
from tests.adapters.https_server import Asked, Reply, answering
from tests.adapters.loads import unused_address
from tests.kube.double import Double, kubeconfig
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]

READY, STARTING = {"ready": True}, {"ready": False}
ENDING = {"ready": False, "serving": True, "terminating": True}


def arrivals(until_s: float, *counts: int) -> Reply:
    return Reply(200, json.dumps({"until_s": until_s, "counts": counts}).encode())


class Routers:
    """The endpoints of the Service pipe-router, and what answers there."""

    def __init__(self, connection: Connection, stack: ExitStack) -> None:
        self.connection = connection
        self.asked: list[Asked] = []
        self._stack = stack

    def add(self, pod: str, answer: Reply | None, conditions: dict[str, bool] = READY) -> None:
        """One that answers so, or nobody at all."""

        def told(asked: Asked) -> Reply:
            self.asked.append(asked)
            assert answer is not None
            return answer

        url = f"http://{unused_address()}" if answer is None else self._stack.enter_context(answering(told))
        self.connection.create(
            self.connection.path("discovery.k8s.io/v1", "endpointslices"),
            {
                "metadata": {"name": f"s-{pod}", "labels": {"kubernetes.io/service-name": "pipe-router"}},
                "addressType": "IPv4",
                "ports": [{"name": "metrics", "port": int(url.rpartition(":")[2])}],
                "endpoints": [
                    {
                        "addresses": ["127.0.0.1"],
                        "conditions": conditions,
                        "targetRef": {"kind": "Pod", "name": pod, "uid": pod},
                    }
                ],
            },
        )

    def remove(self, pod: str) -> None:
        path = self.connection.path("discovery.k8s.io/v1", "endpointslices", f"s-{pod}")
        self.connection.once(Request("DELETE", path, {}))


@pytest.fixture
def routers(cluster: Cluster, double: Double) -> Iterator[Routers]:
    client, namespace = client_of(str(cluster.kubeconfig), None)
    with ExitStack() as stack:
        yield Routers(Connection(client, namespace, sleep=lambda _: None), stack)
    client.rest_client.pool_manager.clear()


def read(routers: Routers, window_s: float = 10.0) -> tuple[int, ...]:
    with closing(RoutersMonitor(routers.connection, "pipe")) as monitor:
        return monitor.arrivals(window_s)


@pytest.mark.cluster
def test_all_routers_are_summed_up_second_by_second(routers: Routers) -> None:
    """Also the one that is to end; the one that starts is asked and need not answer."""
    routers.add("a", arrivals(1000.0, 1, 2, 3))
    routers.add("b", arrivals(1001.0, 10, 20, 30, 40))
    routers.add("c", arrivals(1000.0, 100), ENDING)
    routers.add("d", None, STARTING)
    assert read(routers) == (11, 22, 133)
    assert routers.asked[0].path == "/arrivals" and routers.asked[0].params == {"window": "15"}


@pytest.mark.cluster
def test_ticks_are_summed_up_for_a_tuner(routers: Routers) -> None:
    routers.add("a", arrivals(1000.0, 1, 2, 3))
    routers.add("b", arrivals(1000.02, 10, 20))
    with closing(RoutersMonitor(routers.connection, "pipe")) as monitor:
        assert monitor.ticks(60.0).tolist() == [1, 2, 13]
    assert routers.asked[0].path == "/ticks" and routers.asked[0].params == {"window": "60"}


@pytest.mark.cluster
def test_a_router_that_leaves_between_turns_is_no_load_that_fell(routers: Routers) -> None:
    routers.add("a", arrivals(1000.0, 4, 4))
    routers.add("b", arrivals(1000.0, 6, 6))
    with closing(RoutersMonitor(routers.connection, "pipe")) as monitor:
        assert monitor.arrivals(10.0) == (10, 10)
        routers.remove("b")
        assert monitor.arrivals(10.0) == (10, 10)


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(None, "router b: GET http://127.0.0.1:.*refused", id="nobody there"),
        pytest.param(Reply(500, b"broken"), "router b: GET .*: 500 broken", id="broken"),
        pytest.param(Reply(401, b"no"), "router b: GET .*: 401 no", id="somebody else"),
        pytest.param(Reply(200, b"<html>"), "no JSON", id="no JSON"),
        pytest.param(Reply(200, b"[]"), "no arrivals", id="another document"),
        pytest.param(Reply(200, b'{"until_s": 1, "counts": ["x"]}'), "no arrivals", id="no numbers"),
        pytest.param(arrivals(2000.0, 1), "clocks of the routers are 1000 s apart", id="another time"),
    ],
)
def test_a_ready_router_without_an_answer_is_no_zero(routers: Routers, answer: Reply | None, says: str) -> None:
    routers.add("a", arrivals(1000.0, 5))
    routers.add("b", answer)
    with pytest.raises(Unavailable, match=says):
        read(routers)


@pytest.mark.cluster
@pytest.mark.parametrize("conditions", [STARTING, ENDING])
def test_without_a_ready_router_there_is_no_answer(routers: Routers, conditions: dict[str, bool]) -> None:
    with pytest.raises(Unavailable, match="Service pipe-router: no router is ready"):
        read(routers)
    routers.add("a", arrivals(1000.0, 5), conditions)
    with pytest.raises(Unavailable, match="Service pipe-router: no router is ready"):
        read(routers)


@pytest.mark.cluster
def test_without_an_api_server_there_is_no_answer(routers: Routers, double: Double) -> None:
    routers.add("a", arrivals(1000.0, 5))
    with double.away(), pytest.raises(Unavailable, match="endpointslices"):
        read(routers)


def test_a_router_that_does_not_answer_the_api_server(tmp_path: Path) -> None:
    """Through the API server's proxy, as from outside: its refusals are the router's silence."""
    found: dict[str, Any] = {
        "metadata": {"name": "s", "labels": {}},
        "addressType": "IPv4",
        "ports": [{"name": "metrics", "port": 8082}],
        "endpoints": [{"addresses": ["h"], "targetRef": {"kind": "Pod", "name": "a", "uid": "a"}}],
    }
    paths: list[str] = []

    def answer(asked: Asked) -> Reply:
        paths.append(asked.path)
        if asked.path.endswith("endpointslices"):
            return Reply(200, json.dumps({"items": [found]}).encode())
        return Reply(503, json.dumps({"message": "error trying to reach service"}).encode())

    with ExitStack() as stack:
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(kubeconfig(stack.enter_context(answering(answer)), "ns", "token")))
        connection = Connection(*client_of(str(path), None))
        monitor = stack.enter_context(closing(RoutersMonitor(connection, "pipe", by_proxy(connection))))
        with pytest.raises(Unavailable, match=r"router a: .*503 error trying to reach service"):
            monitor.arrivals(5.0)
    assert paths[1] == "/api/v1/namespaces/ns/pods/a:8082/proxy/arrivals"
