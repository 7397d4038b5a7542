"""The client's side of the control API, against answers from a socket; the whole is tested in test_serve_command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ipa.adapters import local_cluster
from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
from ipa.adapters.state import RunState
from ipa.domain import Allocation, Plan
from ipa.errors import ServingError, Unavailable
from ipa.ports import Outcome
from tests.dataplane.processes import free_ports

ROW = {"stage": "s", "variant": "v", "hardware": "cpu", "cores": 2, "batch": 4, "replicas": 3}
PLAN = Plan((Allocation("s", "v", "cpu", 2, 4, 3),))


@contextmanager
def answering(status: int, document: Any) -> Iterator[tuple[RunState, list[tuple[str, str, str, bytes]]]]:
    """A server with one answer; what it was asked: method, path, authorisation, body."""
    asked: list[tuple[str, str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, self.headers["Authorization"], given))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield _state(server.server_address[1]), asked
        finally:
            server.shutdown()
            thread.join()


def _state(port: int) -> RunState:
    url = f"http://127.0.0.1:{port}"
    return RunState("tiny", 1, url, url, "token", url, "admin-token")


def test_the_live_plan_and_readiness() -> None:
    with (
        answering(200, {"plan": [ROW], "ready": True}) as (state, asked),
        closing(LocalCluster(state)) as cluster,
    ):
        assert cluster.live() == PLAN
        assert cluster.ready() is True
        assert asked == [("GET", "/status", "Bearer token", b"")] * 2


def test_nothing_is_live_before_the_first_plan_runs() -> None:
    with answering(200, {"plan": [], "ready": False}) as (state, _), closing(LocalCluster(state)) as cluster:
        assert cluster.live() is None
        assert cluster.ready() is False


def test_apply_sends_the_rows_and_returns_the_outcome() -> None:
    outcome = {"applied": False, "seconds": 1.5, "detail": "no room"}
    with answering(200, outcome) as (state, asked), closing(LocalCluster(state)) as cluster:
        assert cluster.apply(PLAN) == Outcome(False, 1.5, "no room")
        ((method, path, _, body),) = asked
        assert (method, path, json.loads(body)) == ("PUT", "/plan", {"plan": [ROW]})


def test_arrivals_come_from_the_router() -> None:
    with answering(200, {"until_s": 1.0, "counts": [1, 0, 2]}) as (state, asked):
        with closing(RouterMonitor(state)) as monitor:
            assert monitor.arrivals(120.0) == (1, 0, 2)
        assert asked == [("GET", "/arrivals?window=120", "Bearer admin-token", b"")]


def test_so_do_the_ticks_of_the_tuner() -> None:
    with answering(200, {"until_s": 1.0, "counts": [0, 3, 0]}) as (state, asked):
        with closing(RouterMonitor(state)) as monitor:
            assert monitor.ticks(60.0).tolist() == [0, 3, 0]
        assert asked == [("GET", "/ticks?window=60", "Bearer admin-token", b"")]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param(401, ServingError, id="a wrong token is final"),
        pytest.param(400, ServingError, id="a refused plan is final"),
        pytest.param(500, Unavailable, id="a failure inside may pass"),
    ],
)
def test_an_answer_that_is_none(status: int, error: type[Exception]) -> None:
    with answering(status, {"error": "because"}) as (state, _):
        with closing(LocalCluster(state)) as cluster, pytest.raises(error, match=f"{status}.*because"):
            cluster.apply(PLAN)
        with closing(RouterMonitor(state)) as monitor, pytest.raises(error, match=f"{status}.*because"):
            monitor.arrivals(10)


def test_who_is_gone_is_unavailable() -> None:
    state = _state(free_ports(1)[0])
    with closing(LocalCluster(state)) as cluster, pytest.raises(Unavailable, match=r"GET http.*/status"):
        cluster.live()
    with closing(RouterMonitor(state)) as monitor, pytest.raises(Unavailable, match="/arrivals"):
        monitor.arrivals(10)


def test_who_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(local_cluster, "_TIMEOUT_S", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(LocalCluster(_state(silent.getsockname()[1]))) as cluster,
        pytest.raises(Unavailable, match="/status"),
    ):
        cluster.ready()
