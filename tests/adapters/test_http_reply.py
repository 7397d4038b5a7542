"""HTTP responses, whole, in pieces, one after the other, and without end."""

from __future__ import annotations

from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.http_reply import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, HttpReply, ReplyReader

PLAIN = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = CHUNKS + b"4;ext=1\r\nhell\r\n1\r\no\r\n0\r\nTrailer: t\r\nX-Ipa-Drop: late\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX-Ipa-Drop: y\r\n\r\n" + PLAIN
UNSIZED = b"HTTP/1.1 200 OK\r\n\r\nhello"
DROPPED = b"HTTP/1.1 504 Gateway Timeout\r\nx-IPA-drop:  deadline \r\ncontent-length: 0\r\n\r\n"
PIECE = 64 * 1024


def _read(received: bytes) -> HttpReply:
    reply = ReplyReader().read(received)
    assert reply is not None
    return reply


@pytest.mark.parametrize("received", [PLAIN, CHUNKED, CONTINUED])
def test_a_sized_body_is_read_whole_and_leaves_the_connection_usable(received: bytes) -> None:
    reply = _read(received)
    assert (reply.status, reply.body, reply.reusable) == (200, b"hello", True)
    assert "x-ipa-drop" not in reply.headers  # neither a trailer nor what an interim response says


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([PLAIN, CHUNKED, CONTINUED, DROPPED]), min_size=1, max_size=3), st.data())
def test_responses_on_one_connection_are_read_alike_in_pieces_of_any_size(
    responses: list[bytes], data: st.DataObject
) -> None:
    reader = ReplyReader()
    for response in responses:
        cuts = data.draw(st.lists(st.integers(1, len(response) - 1), max_size=5).map(sorted))
        ends = [*cuts, len(response)]
        replies = [reader.read(response[start:end]) for start, end in zip([0, *cuts], ends, strict=True)]
        assert replies == [None] * len(cuts) + [_read(response)]
        assert reader.end() is None


def test_a_body_without_a_size_ends_with_the_connection() -> None:
    reader = ReplyReader()
    assert reader.read(UNSIZED) is None
    reply = reader.end()
    assert reply is not None
    assert (reply.status, reply.body, reply.reusable) == (200, b"hello", False)


@pytest.mark.parametrize("received", [b"", UNSIZED[:-6], PLAIN[:-1], CHUNKED[:-2], CONTINUED[: -len(PLAIN)]])
def test_what_is_cut_short_does_not_end_with_the_connection(received: bytes) -> None:
    reader = ReplyReader()
    assert reader.read(received) is None
    assert reader.end() is None


def test_headers_are_read_whatever_their_case() -> None:
    reply = _read(DROPPED)
    assert (reply.status, reply.headers["x-ipa-drop"], reply.body) == (504, "deadline", b"")


@pytest.mark.parametrize(
    "received",
    [
        PLAIN.replace(b"Server: x", b"Connection: close"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN + b"H",
        PLAIN + b"HTTP/1.1 200 OK\r\n",
        PLAIN + PLAIN,
        PLAIN + DROPPED,
        PLAIN + b"good-bye",
        PLAIN.replace(b"Server: x", b"Connection: close") + b"good-bye",
    ],
)
def test_a_connection_that_ends_is_old_or_goes_on_unasked_is_not_reused(received: bytes) -> None:
    reply = _read(received)
    assert (reply.status, reply.body, reply.reusable) == (200, b"hello", False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_no_content_has_none(status: bytes) -> None:
    assert _read(b"HTTP/1.1 %b\r\n\r\n" % status).body == b""


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + PLAIN,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        CHUNKS + b"x\r\n",
        CHUNKS + b"2\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * LARGEST_HEAD_BYTES,
    ],
)
def test_what_is_no_response_is_refused(received: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ReplyReader().read(received)


@pytest.mark.parametrize(
    ("start", "piece", "limit"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * PIECE, LARGEST_HEAD_BYTES),
        (b"HTTP/1.1 200 OK\r\n", b"X-Ipa-Drop: y\r\n" * (PIECE // 15), LARGEST_HEAD_BYTES),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * (PIECE // 25), LARGEST_HEAD_BYTES),
        (UNSIZED, b"y" * PIECE, LARGEST_BODY_BYTES),
        (CHUNKS, b"100\r\n%b\r\n" % (b"y" * 256) * (PIECE // 263), LARGEST_BODY_BYTES),
        (CHUNKS + b"fffffffff\r\n", b"y" * PIECE, LARGEST_BODY_BYTES),
        (CHUNKS + b"1;", b"y" * PIECE, LARGEST_HEAD_BYTES),
        (CHUNKS + b"0\r\nX: ", b"y" * PIECE, LARGEST_HEAD_BYTES),
    ],
)
def test_a_response_without_end_is_refused_at_its_limit(start: bytes, piece: bytes, limit: int) -> None:
    reader, taken = ReplyReader(), 0
    with pytest.raises(ValueError, match=f"more than {limit} bytes"):
        for data in chain([start], repeat(piece)):
            assert taken <= limit * 1.05  # the sizes of chunks are no part of the body
            taken += len(data)
            reader.read(data)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKS]))
def test_any_bytes_are_a_reply_too_few_or_refused(noise: bytes, start: bytes) -> None:
    reader = ReplyReader()
    try:
        reply = reader.read(start + noise) or reader.end()
    except ValueError:
        return
    assert reply is None or isinstance(reply.body, bytes)
