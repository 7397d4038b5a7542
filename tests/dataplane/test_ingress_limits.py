"""What a client may cost over REST before its request is known: size, headers, and the time it may take."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from ipa.dataplane.web import BODY_LIMIT_BYTES
from tests.dataplane.ports import Client, Port, serve_rest
from tests.dataplane.test_ingress import INFER, body


async def spoken(client: Client, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """What the port answers to `pieces`, sent one by one on a connection of its own, until it closes it."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await reader.read()
    finally:
        writer.close()


def head(length: int, *lines: str) -> bytes:
    return "\r\n".join([f"POST {INFER} HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines, "", ""]).encode()


def test_a_body_that_does_not_come_is_408_and_the_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipa.dataplane.web.BODY_TIMEOUT_S", 0.05)

    async def story(port: Port, client: Client) -> None:
        answer = await spoken(client, head(100), b"{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"error":' in answer and b"within 0.05 s" in answer
        assert port.arrived() == 0

    serve_rest(story, {"lingering_time": 0.05})


def test_a_length_over_the_limit_is_refused_before_the_body_comes() -> None:
    async def story(port: Port, client: Client) -> None:
        answer = await spoken(client, head(BODY_LIMIT_BYTES + 1))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"bytes, the limit" in answer

    serve_rest(story, {"lingering_time": 0.05})


def test_a_head_that_does_not_end_is_hung_up_on() -> None:
    async def story(port: Port, client: Client) -> None:
        assert await spoken(client, b"POST /v2", b"/models", pause_s=0.02) == b""

    serve_rest(story, {"keepalive_timeout": 0.1})


def test_idle_connections_are_kept_and_then_closed() -> None:
    async def story(port: Port, client: Client) -> None:
        live = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await spoken(client, live, live)).count(b"HTTP/1.1 200 ") == 2

    serve_rest(story, {"keepalive_timeout": 0.2})


@pytest.mark.parametrize(
    "lines", [["X-Long: " + "x" * 9000], ["X" * 9000 + ": 1"], [f"X-{i}: 1" for i in range(200)]], ids=len
)
def test_headers_have_limits(lines: list[str]) -> None:
    async def story(port: Port, client: Client) -> None:
        assert (await spoken(client, head(2, *lines) + b"{}")).startswith(b"HTTP/1.0 400 ")
        assert (await spoken(client, f"GET /{'x' * 9000} HTTP/1.1\r\n\r\n".encode())).startswith(b"HTTP/1.0 400 ")

    serve_rest(story)


def test_a_small_body_that_unpacks_to_a_large_one_is_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipa.dataplane.ingress.BODY_LIMIT_BYTES", 100_000)

    async def story(port: Port, client: Client) -> None:
        packed = gzip.compress(b" " * 10_000_000)
        answer = await client.post(INFER, data=packed, headers={"Content-Encoding": "gzip"})
        assert (len(packed) < 20_000, answer.status) == (True, 413)
        port.open("a")
        packed = gzip.compress(body(1))
        assert (await client.post(INFER, data=packed, headers={"Content-Encoding": "gzip"})).status == 200

    serve_rest(story)


def test_a_body_over_the_limit_is_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipa.dataplane.ingress.BODY_LIMIT_BYTES", 1000)

    async def story(port: Port, client: Client) -> None:
        answer = await client.post(INFER, data=b" " * 1001)
        assert answer.status == 413
        assert "bytes, the limit" in (await answer.json())["error"]
        assert (await client.post(INFER, data=b" " * 1000)).status == 400

    serve_rest(story)
    assert BODY_LIMIT_BYTES == 64 * 1024 * 1024
