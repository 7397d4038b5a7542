"""HTTP responses, whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.http_reply import LARGEST_HEAD_BYTES, HttpReply, read_reply

PLAIN = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;ext=1\r\nhell\r\n1\r\no\r\n0\r\nTrailer: t\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\n" + PLAIN
UNSIZED = b"HTTP/1.1 200 OK\r\n\r\nhello"
DROPPED = b"HTTP/1.1 504 Gateway Timeout\r\nx-IPA-drop:  deadline \r\ncontent-length: 0\r\n\r\n"


def _read(received: bytes, closed: bool = False) -> HttpReply:
    reply = read_reply(received, closed)
    assert reply is not None
    return reply


@pytest.mark.parametrize("received", [PLAIN, CHUNKED, CONTINUED])
def test_a_sized_body_is_read_whole_and_leaves_the_connection_usable(received: bytes) -> None:
    reply = _read(received)
    assert (reply.status, reply.body, reply.reusable) == (200, b"hello", True)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([PLAIN, CHUNKED, CONTINUED, DROPPED]), st.data())
def test_any_part_of_a_response_is_neither_a_reply_nor_garbage(received: bytes, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, len(received) - 1))
    assert read_reply(received[:part], closed=False) is None


def test_a_body_without_a_size_ends_with_the_connection() -> None:
    assert read_reply(UNSIZED, closed=False) is None
    reply = _read(UNSIZED, closed=True)
    assert (reply.body, reply.reusable) == (b"hello", False)


def test_headers_are_read_whatever_their_case() -> None:
    reply = _read(DROPPED)
    assert (reply.status, reply.headers["x-ipa-drop"], reply.body) == (504, "deadline", b"")


@pytest.mark.parametrize(
    "received",
    [
        PLAIN.replace(b"Server: x", b"Connection: close"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN + b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_a_connection_that_ends_is_old_or_goes_on_unasked_is_not_reused(received: bytes) -> None:
    assert not _read(received).reusable


def test_no_content_has_none() -> None:
    assert _read(b"HTTP/1.1 204 No Content\r\n\r\n").body == b""


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * LARGEST_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * LARGEST_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_what_is_no_response_is_refused(received: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_reply(received, closed=False)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED[:47]]), st.booleans())
def test_any_bytes_are_a_reply_too_few_or_refused(noise: bytes, start: bytes, closed: bool) -> None:
    try:
        reply = read_reply(start + noise, closed)
    except ValueError:
        return
    assert reply is None or isinstance(reply.body, bytes)
