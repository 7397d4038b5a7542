"""HTTP of the load generator: kept connections, broken servers, URLs, metadata."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from aiohttp import web

from ipa.adapters.load_http import HTTP, check_url, fetch_metadata
from ipa.errors import Unavailable, UsageError
from tests.adapters.loads import a_load, evenly, sent, summed_up, unused_address
from tests.adapters.null_server import METADATA, label, null_server
from tests.adapters.raw_server import heard, raw_server

ANSWER = b'{"outputs": [{"data": [3]}]}'
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
UNSIZED = b"HTTP/1.1 200 OK\r\n\r\n" + ANSWER


def test_a_request_is_whole_and_goes_to_the_model_below_the_path() -> None:
    requests: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        while request := heard(connection):
            requests.append(request)
            connection.sendall(SIZED)

    with raw_server(talk) as url:
        summary = summed_up(sent(HTTP, f"{url}/base/", a_load(HTTP, evenly(1, 1)), "a b/c"))
    assert (summary.answered, len(requests)) == (1, 1)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /base/v2/models/a%20b%2Fc/infer HTTP/1.1"
    assert f"Host: {url.removeprefix('http://')}" in headers
    assert "Content-Type: application/json" in headers
    (tensor,) = json.loads(body)["inputs"]
    assert tensor["shape"] == [1, 2, 2]


def test_a_server_in_time_for_each_request_sees_one_connection() -> None:
    connections: list[int] = []

    def talk(connection: socket.socket) -> None:
        connections.append(0)
        while heard(connection):
            connection.sendall(SIZED)

    with raw_server(talk) as url:
        summary = summed_up(sent(HTTP, url, a_load(HTTP, evenly(10, 10))))
    assert (summary.answered, summary.accuracy) == (10, 0.1)
    assert len(connections) < 10


@pytest.mark.parametrize(
    ("reply", "answered", "failures"),
    [
        (UNSIZED, 10, {}),
        (SIZED.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), 10, {}),
        (b"", 0, {"closed": 10}),
        (SIZED[:-1], 0, {"closed": 10}),
        (b"220 mail.example ESMTP\r\n", 0, {"garbage": 10}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", 0, {"garbage": 10}),
        (b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0, {"status-302": 10}),
    ],
)
def test_one_request_a_connection(reply: bytes, answered: int, failures: dict[str, int]) -> None:
    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(reply)

    with raw_server(talk) as url:
        summary = summed_up(sent(HTTP, url, a_load(HTTP, evenly(10, 100))))
    assert (summary.sent, summary.answered, summary.failures) == (10, answered, failures)


def test_a_server_that_closes_at_once_or_says_more_than_was_asked_is_accounted_for() -> None:
    turns = iter(range(100))

    def talk(connection: socket.socket) -> None:
        if next(turns) % 2:
            return
        while heard(connection):
            connection.sendall(SIZED + SIZED)

    with raw_server(talk) as url:
        summary = summed_up(sent(HTTP, url, a_load(HTTP, evenly(30, 300))))
    assert summary.sent == 30
    assert set(summary.failures) <= {"closed"}
    assert summary.answered > 0


def test_a_server_that_hangs_half_way_fails_by_timeout() -> None:
    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(SIZED[:-1])
        connection.recv(1)

    with raw_server(talk) as url:
        summary = summed_up(sent(HTTP, url, a_load(HTTP, evenly(5, 100), timeout_s=0.5)))
    assert summary.failures == {"timeout": 5}


def test_a_drop_has_the_reason_that_the_router_gives() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        if number % 2:
            return web.json_response({"error": "no"}, status=504, headers={"X-Ipa-Drop": "deadline"})
        return label(0)

    with null_server(answer) as server:
        summary = summed_up(sent(HTTP, server.url, a_load(HTTP, evenly(10, 200))))
    assert (summary.answered, summary.drops) == (5, {"deadline": 5})


def test_a_server_without_end_of_reasons_is_summed_up_in_few() -> None:
    async def answer(number: int, body: dict[str, Any]) -> web.Response:
        return web.json_response({"error": "no"}, status=503, headers={"X-Ipa-Drop": f"{number:03}-" * 20})

    with null_server(answer) as server:
        summary = summed_up(sent(HTTP, server.url, a_load(HTTP, evenly(100, 500))))
    assert summary.dropped == 100
    assert len(summary.drops) == 64
    assert max(map(len, summary.drops)) == 40
    assert summary.drops["other"] == 37


def test_metadata() -> None:
    with null_server() as server:
        assert fetch_metadata(server.url, "digits") == METADATA
        with pytest.raises(UsageError, match="answered 404"):
            fetch_metadata(server.url, "other/name")
    with pytest.raises(Unavailable, match="/v2/models/digits"):
        fetch_metadata(f"http://{unused_address()}", "digits")


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Unavailable, "answered 503 Busy"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", UsageError, "a JSON object was expected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n}{", UsageError, "did not answer in JSON"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Unavailable, "/v2/models/digits"),
        (b"", Unavailable, "/v2/models/digits"),
    ],
)
def test_metadata_of_a_server_that_has_none(reply: bytes, error: type[Exception], message: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(reply)

    with raw_server(talk) as url, pytest.raises(error, match=message):
        fetch_metadata(url, "digits")


@pytest.mark.parametrize("url", ["http://localhost", "https://[::1]:8443/base/", "http://10.0.0.1:80"])
def test_urls_end_without_a_slash(url: str) -> None:
    assert check_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "localhost:8080",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h:x",
        "http://[::1",
        "http://h:0",
        "http://a b",
        "http://ü.example",
        "http://user:pass@h",
        "http://h/?q=1",
        "http://h/#f",
    ],
)
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(UsageError) as error:
        check_url(url)
    assert str(error.value).startswith(url)


def test_a_name_that_cannot_be_looked_up_is_a_failure_to_connect() -> None:
    summary = summed_up(sent(HTTP, f"http://{'x' * 70}.invalid", a_load(HTTP, evenly(3, 100))))
    assert summary.failures == {"connect": 3}
    with pytest.raises((Unavailable, UsageError)):
        fetch_metadata(f"http://{'x' * 70}.invalid", "digits")
