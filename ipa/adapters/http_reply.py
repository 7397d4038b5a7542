"""One HTTP/1.1 response out of the bytes received so far (RFC 9112). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LARGEST_HEAD_BYTES = 64 * 1024
LARGEST_BODY_BYTES = 64 * 1024 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?(?=\r\n|\Z)")
# only those that matter here: reading all of them took a third of the time of a request
_HEADER = re.compile(rb"\r\n(content-length|transfer-encoding|connection|x-ipa-drop):([^\r\n]*)", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """`headers`: those of _HEADER, by lower-case name, the last of each.

    `reusable`: whether the connection may carry another request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    reusable: bool


def read_reply(received: bytes, closed: bool) -> HttpReply | None:
    """The response that `received` starts with; None if more bytes are needed.

    `closed`: whether the server has closed its side, which ends a body of unknown length. Raises ValueError if this is
    no HTTP response, or one larger than the limits above.
    """
    start = code = 0
    while code < 200:  # 100 Continue and the like: the response proper follows
        end = received.find(b"\r\n\r\n", start)
        if end < 0 or end - start > LARGEST_HEAD_BYTES:
            _check_start(received[start:])
            return None
        minor, code, headers = _head(received[start:end])
        start = end + 4
    found = _body(received, start, code, headers, closed)
    if found is None:
        return None
    body, used = found
    keep = headers.get("connection", "").lower() != "close" and minor == b"1"
    return HttpReply(code, headers, body, keep and not closed and used == len(received))


def _head(head: bytes) -> tuple[bytes, int, dict[str, str]]:
    """(minor version of HTTP/1, status, headers)."""
    status = _STATUS_LINE.match(head)
    if status is None:
        raise ValueError(f"{head[:60]!r} is not an HTTP status line")
    found = _HEADER.findall(head, status.end())
    return status[1], int(status[2]), {name.lower().decode(): value.strip().decode("latin-1") for name, value in found}


def _check_start(received: bytes) -> None:
    start = received[:7]
    if start != b"HTTP/1."[: len(start)]:
        raise ValueError(f"{received[:60]!r} is not HTTP")
    if len(received) > LARGEST_HEAD_BYTES:
        raise ValueError(f"a head of more than {LARGEST_HEAD_BYTES} bytes")


def _body(
    received: bytes, start: int, status: int, headers: Mapping[str, str], closed: bool
) -> tuple[bytes, int] | None:
    """(body, where it ends in `received`), None if it is not complete (RFC 9112, section 6.3)."""
    if len(received) - start > LARGEST_BODY_BYTES:
        raise ValueError(f"a body of more than {LARGEST_BODY_BYTES} bytes")
    if status in (204, 304):
        return b"", start
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise ValueError(f"transfer encoding {headers['transfer-encoding'][:60]!r}, only chunked is read")
        return _chunked(received, start)
    if "content-length" in headers:
        end = start + _length(headers["content-length"])
        return (bytes(received[start:end]), end) if len(received) >= end else None
    return (bytes(received[start:]), len(received)) if closed else None


def _length(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,15}", text) is None or int(text) > LARGEST_BODY_BYTES:
        raise ValueError(f"content length {text[:60]!r} must be a whole number, at most {LARGEST_BODY_BYTES}")
    return int(text)


def _chunked(received: bytes, at: int) -> tuple[bytes, int] | None:
    chunks: list[bytes] = []
    while (line_end := received.find(b"\r\n", at)) >= 0:
        size = _CHUNK_SIZE.fullmatch(received[at:line_end])
        if size is None:
            raise ValueError(f"{received[at : at + 60]!r} is not the size of a chunk")
        length, start = int(size[1], 16), line_end + 2
        if length == 0:
            return _after_trailers(received, start, b"".join(chunks))
        chunks.append(received[start : start + length])
        at = start + length + 2
        if len(received) < at:
            return None
        if received[at - 2 : at] != b"\r\n":
            raise ValueError("a chunk is longer than its size")
    return None


def _after_trailers(received: bytes, at: int, body: bytes) -> tuple[bytes, int] | None:
    """Trailing header fields are skipped up to the empty line."""
    while (line_end := received.find(b"\r\n", at)) >= 0:
        if line_end == at:
            return body, at + 2
        at = line_end + 2
    return None
