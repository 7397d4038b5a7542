"""The Prometheus monitor against scripted answers: what it asks, what it makes of them, and all that can go wrong."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ipa.adapters import prometheus
from ipa.adapters.prometheus import PrometheusMonitor
from ipa.domain import MonitorSettings
from ipa.errors import ServingError, Unavailable, UsageError
from tests.adapters.https_server import CA_FILE, Asked, Reply, answering, server_tls
from tests.adapters.loads import unused_address
from tests.adapters.raw_server import raw_server

NOW_S = 1_000_000.5
# 10 requests in each second, up to half a second ago.
SAMPLES: list[tuple[float, str]] = [(NOW_S - 5.5 + i, str(10 * i)) for i in range(6)]


def settings(url: str, **fields: Any) -> MonitorSettings:
    return MonitorSettings("prometheus", url, **fields)


def success(kind: str, result: Any, **fields: Any) -> Reply:
    return Reply(
        200, json.dumps({"status": "success", "data": {"resultType": kind, "result": result}} | fields).encode()
    )


def counter(*pods: Any) -> list[dict[str, Any]]:
    return [
        {"metric": {"__name__": "ipa_requests_total", "instance": f"pod-{i}"}, "values": values}
        for i, values in enumerate(pods)
    ]


def down(count: int) -> Reply:
    return success("vector", [{"metric": {}, "value": [NOW_S, str(count)]}])


class Script:
    """Answers the two questions of the default query, or the two of a custom one."""

    def __init__(self, second: Reply, first: Reply | None = None) -> None:
        self.asked: list[Asked] = []
        self._first = first
        self._second = second

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        query = asked.params["query"]
        if query == "time()":
            return self._first or success("scalar", [NOW_S, str(NOW_S)])
        return (self._first or down(0)) if query.startswith("count(up == 0") else self._second


@contextmanager
def monitoring(answer: Callable[[Asked], Reply], **fields: Any) -> Iterator[PrometheusMonitor]:
    with answering(answer) as url, closing(PrometheusMonitor("pipe", settings(url, **fields))) as monitor:
        yield monitor


# --- what it asks ------------------------------------------------------------------------------------------------


def test_the_default_asks_for_the_samples_of_this_pipelines_routers() -> None:
    script = Script(success("matrix", counter(SAMPLES)))
    with monitoring(script) as monitor:
        assert monitor.arrivals(120.0) == (10,) * 5
        assert monitor.arrivals(3.0) == (10,) * 3
    up, samples = script.asked[:2]
    assert up.params["query"] == (
        'count(up == 0 and on (job, instance) last_over_time(ipa_requests_total{pipeline="pipe"}[180s])) or vector(0)'
    )
    assert samples.path == "/api/v1/query"
    assert samples.params == {
        "query": '{__name__=~"ipa_requests_total|ipa_requests_created",pipeline="pipe"}[180s]',
        "time": "1000000.500",
    }
    assert {asked.connection for asked in script.asked} == {0}, "one connection, kept"


def test_the_api_may_stand_below_a_path_and_its_answers_be_packed() -> None:
    script = Script(success("matrix", counter(SAMPLES)))

    def packed(asked: Asked) -> Reply:
        reply = script(asked)
        return Reply(reply.status, gzip.compress(reply.body), {"Content-Encoding": "gzip"})

    with answering(packed) as url, closing(PrometheusMonitor("pipe", settings(f"{url}/a/b/"))) as monitor:
        assert monitor.arrivals(5) == (10,) * 5
    assert script.asked[0].path == "/a/b/api/v1/query"


def test_the_name_of_a_pipeline_cannot_leave_its_quotes() -> None:
    script = Script(success("matrix", counter(SAMPLES)))
    with answering(script) as url, closing(PrometheusMonitor('p"} or up{', settings(url))) as monitor:
        monitor.arrivals(5)
    assert 'pipeline="p\\"} or up{"}' in script.asked[1].params["query"]


def test_pods_and_restarts_are_summed_up() -> None:
    """The second pod's process began anew in second 1000000 − 2: it counts from 0 again."""
    second = [[at, str(value)] for (at, _), value in zip(SAMPLES, (100, 104, 108, 3, 6, 9), strict=True)]
    with monitoring(Script(success("matrix", counter(SAMPLES, second)))) as monitor:
        assert monitor.arrivals(120.0) == (14, 14, 13, 13, 13)


def test_a_counter_that_tells_its_creation_counts_from_there() -> None:
    created = {"metric": {"__name__": "ipa_requests_created", "instance": "pod-0"}}
    values = [[at, str(NOW_S - 7.5)] for at, _ in SAMPLES]
    samples = [[at, str(20 + float(value))] for at, value in SAMPLES]
    with monitoring(Script(success("matrix", [*counter(samples), created | {"values": values}]))) as monitor:
        assert monitor.arrivals(9.0) == (10,) * 7


def test_a_router_that_is_scraped_on_two_ports_counts_once() -> None:
    """Prometheus' discovery makes a target of every port of a pod; two routers never begin in the same microsecond."""
    series: list[dict[str, Any]] = []
    for port, began_s in (("8080", NOW_S - 600.123456), ("8082", NOW_S - 600.123456), ("9000", NOW_S - 500.0)):
        labels = {"pipeline": "pipe", "instance": f"pod:{port}"}
        series.append({"metric": {"__name__": "ipa_requests_total", **labels}, "values": SAMPLES})
        created = [[at, str(began_s)] for at, _ in SAMPLES]
        series.append({"metric": {"__name__": "ipa_requests_created", **labels}, "values": created})
    with monitoring(Script(success("matrix", series))) as monitor:
        assert monitor.arrivals(5.0) == (20,) * 5


# --- a query of the user's ---------------------------------------------------------------------------------------


def ranges(*series: list[list[Any]]) -> Reply:
    return success("matrix", [{"metric": {"pod": str(i)}, "values": values} for i, values in enumerate(series)])


def test_a_custom_query_is_asked_for_every_second_and_its_series_are_summed_up() -> None:
    one = [[1_000_000 - 4 + i, "2.5"] for i in range(5)]
    two = [[1_000_000 - 1 + i, "4"] for i in range(2)]
    script = Script(ranges(one, two))
    with monitoring(script, query="rate(x[30s])") as monitor:
        counts = monitor.arrivals(5.0)
        assert (sum(counts[:3]) in (7, 8), sum(counts)) == (True, 20), "2.5 in three seconds, then 6.5 in two: 20.5"
    asked = script.asked[1]
    assert asked.path == "/api/v1/query_range"
    assert asked.params == {"query": "rate(x[30s])", "start": "999996", "end": "1000000", "step": "1"}


def test_seconds_before_a_gap_are_unknown() -> None:
    points = [[1_000_000 - age, "6"] for age in (5, 4, 2, 1, 0)]
    with monitoring(Script(ranges(points)), query="q") as monitor:
        assert monitor.arrivals(60.0) == (6, 6, 6)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        pytest.param(ranges(), "no series with a value", id="absent"),
        pytest.param(ranges([[1_000_000, "NaN"]]), "nan, which is no rate", id="NaN"),
        pytest.param(ranges([[1_000_000, "+Inf"]]), "inf, which is no rate", id="infinite"),
        pytest.param(ranges([[1_000_000, "-1"]]), "-1.0, which is no rate", id="negative"),
        pytest.param(ranges([[1_000_000 - 30, "5"]]), "30 s old", id="stale"),
        pytest.param(success("vector", []), "'vector' where a matrix", id="another kind"),
    ],
)
def test_a_custom_query_without_a_rate_to_trust(reply: Reply, says: str) -> None:
    with monitoring(Script(reply), query="q") as monitor, pytest.raises(Unavailable, match=says):
        monitor.arrivals(60.0)


# --- what is no answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        pytest.param(down(0), success("matrix", []), 'total{pipeline="pipe"}: there is no sample', id="absent"),
        pytest.param(down(2), success("matrix", counter(SAMPLES)), "2 router.* cannot be scraped", id="a pod is down"),
        pytest.param(down(0), success("matrix", counter([[NOW_S - 30, "1"]])), "30 s old", id="stale"),
        pytest.param(down(0), success("matrix", counter([[NOW_S, "NaN"]])), "no rate", id="NaN"),
        pytest.param(success("vector", []), success("matrix", []), "0 series", id="no count of pods"),
        pytest.param(down(0), success("matrix", [{"metric": {}}]), "without 'values'", id="no values"),
        pytest.param(down(0), success("matrix", counter([["x"]])), "where \\[time, value\\]", id="no pair"),
        pytest.param(down(0), success("matrix", None), "without", id="null"),
        pytest.param(down(0), Reply(200, b"<html>log in"), "none of Prometheus': <html>log in", id="a login page"),
        pytest.param(down(0), Reply(200, b"[1]"), "none of Prometheus'", id="another document"),
        pytest.param(
            down(0),
            success("matrix", counter(SAMPLES), warnings=["store gateway is down"]),
            "warns that .*store gateway is down",
            id="partial",
        ),
    ],
)
def test_what_cannot_be_trusted_holds(first: Reply, second: Reply, says: str) -> None:
    with monitoring(Script(second, first)) as monitor, pytest.raises(Unavailable, match=says):
        monitor.arrivals(60.0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, ServingError),
        (400, ServingError),
        (401, ServingError),
        (403, ServingError),
        (404, ServingError),
        (422, ServingError),
        (408, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_refusal_is_final_and_a_failure_may_pass(status: int, error: type[Exception]) -> None:
    refusal = Reply(status, json.dumps({"status": "error", "error": "because\nof this"}).encode())
    with monitoring(lambda _: refusal) as monitor, pytest.raises(error, match=f"{status} because of this"):
        monitor.arrivals(60.0)


def test_the_words_of_a_server_that_speaks_no_json_are_cut() -> None:
    with monitoring(lambda _: Reply(502, b"<h1>Bad\n Gateway</h1>" + b"x" * 10_000)) as monitor:
        with pytest.raises(Unavailable, match=r"502 <h1>Bad Gateway</h1>x*$") as raised:
            monitor.arrivals(60.0)
        assert len(str(raised.value)) < 500


def test_who_is_gone_is_unavailable_and_its_password_not_shown() -> None:
    address = unused_address()
    with closing(PrometheusMonitor("pipe", settings(f"http://me:secret@{address}"))) as monitor:
        with pytest.raises(Unavailable, match=f"Prometheus at http://{address}: ") as raised:
            monitor.arrivals(10)
        assert "secret" not in str(raised.value)


def test_who_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            closing(PrometheusMonitor("pipe", settings(url))) as monitor,
            pytest.raises(Unavailable, match="timed out"),
        ):
            monitor.arrivals(10)


def trickle(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.02)


def flood(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")


def garble(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\nnope")


def babble(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"220 smtp.example.org\r\n\r\n")


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (trickle, "did not come within 1 s"),
        (flood, "more than 1000000 bytes"),
        (hang_up, "closed connection"),
        (garble, "incorrect header check"),
        (babble, "illegal status line"),
    ],
)
def test_a_server_that_breaks_http_does_not_hang_the_loop(
    monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None], says: str
) -> None:
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(prometheus, "LARGEST_BYTES", 1_000_000)
    with (
        raw_server(talk) as url,
        closing(PrometheusMonitor("pipe", settings(url))) as monitor,
        pytest.raises(Unavailable, match=says),
    ):
        monitor.arrivals(10)


# --- TLS and token -----------------------------------------------------------------------------------------------


def test_the_token_is_read_anew_and_the_authority_known(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    script = Script(success("matrix", counter(SAMPLES)))
    with answering(script, server_tls()) as url:
        files = {"bearer_token_file": token, "ca_file": CA_FILE}
        with closing(PrometheusMonitor("pipe", settings(url, **files))) as monitor:
            assert monitor.arrivals(5) == (10,) * 5
            token.write_text("second")
            assert monitor.arrivals(5) == (10,) * 5
    assert [asked.headers["Authorization"] for asked in script.asked] == ["Bearer first"] * 2 + ["Bearer second"] * 2
    assert {asked.connection for asked in script.asked} == {0}


def test_a_server_of_an_unknown_authority_is_told_nothing(tmp_path: Path) -> None:
    script = Script(success("matrix", counter(SAMPLES)))
    with (
        answering(script, server_tls()) as url,
        closing(PrometheusMonitor("pipe", settings(url))) as monitor,
        pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        monitor.arrivals(5)
    assert not script.asked


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "must hold one token, on one line"),
        (b"one\ntwo", "must hold one token, on one line"),
        ("ü".encode(), "holds what is not ASCII"),
    ],
)
def test_a_token_file_of_no_use_holds_and_is_not_shown(tmp_path: Path, content: bytes | None, says: str) -> None:
    """Whoever renews it may be about to: it is read again at the next turn."""
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    script = Script(success("matrix", counter(SAMPLES)))
    with monitoring(script, bearer_token_file=token) as monitor:
        with pytest.raises(Unavailable, match=f"monitor.bearer_token_file: {token}: {says}"):
            monitor.arrivals(5)
        assert not script.asked
        token.write_text("good")
        assert monitor.arrivals(5) == (10,) * 5


def test_a_ca_file_of_no_use_is_wrong_usage(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path, says in ((empty, "PEM"), (tmp_path / "none.pem", "No such file")):
        with pytest.raises(UsageError, match=f"monitor.ca_file: {path}.*{says}"):
            PrometheusMonitor("pipe", settings("https://h", ca_file=path))


def test_a_url_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"monitor\.url"):
        PrometheusMonitor("pipe", settings("http://h:port"))
