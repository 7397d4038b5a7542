"""HTTP/1.1 responses out of the bytes that a connection receives: llhttp, by way of httptools, with limits. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

LARGEST_HEAD_BYTES = 64 * 1024  # of trailers and chunk extensions too: of all that comes between parts of a body
LARGEST_BODY_BYTES = 64 * 1024 * 1024

_KEPT_HEADERS = (b"content-length", b"transfer-encoding", b"x-ipa-drop")


@dataclass(frozen=True, slots=True)
class HttpReply:
    """`headers`: those of _KEPT_HEADERS, by lower-case name, the last of each.

    `reusable`: whether the connection may carry another request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    reusable: bool


class ReplyReader:
    """The responses on one connection, one after the other. Of no use after a ValueError."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._in_body = False
        self._bodiless_bytes = 0  # received since there was some body
        self._reply: HttpReply | None = None

    def read(self, data: bytes) -> HttpReply | None:
        """The response that `data` completes; None if more bytes are needed.

        Raises ValueError if this is no HTTP response, or one larger than the limits above: checked after each piece,
        so that no more is kept than a limit and one piece.
        """
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self._reply is None:
                why = error.__context__ or error  # __context__: what one of the methods below raised
                raise ValueError(f"{data[:60]!r} is no part of an HTTP response: {why}") from error
            self._reply = replace(self._reply, reusable=False)  # the server said more than it was asked
        if self._reply is None:
            self._check_size()
            return None
        reply, self._reply, self._bodiless_bytes = self._reply, None, 0
        return reply

    def end(self) -> HttpReply | None:
        """The response that ends with the connection, for want of a size (RFC 9112, section 6.3); None if none does.

        httptools does not bind llhttp_finish(), which would tell.
        """
        if not self._in_body or self._headers.keys() & {"content-length", "transfer-encoding"}:
            return None
        return HttpReply(self._parser.get_status_code(), self._headers, bytes(self._body), reusable=False)

    def _check_size(self) -> None:
        if self._bodiless_bytes > LARGEST_HEAD_BYTES:
            raise ValueError(f"a head or trailer of more than {LARGEST_HEAD_BYTES} bytes")
        if len(self._body) > LARGEST_BODY_BYTES:
            raise ValueError(f"a body of more than {LARGEST_BODY_BYTES} bytes")

    # --- called by httptools, which makes an HttpParserError of what they raise -------------------------------

    def on_message_begin(self) -> None:
        if self._reply is not None:
            raise ValueError("a response that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _KEPT_HEADERS and not self._in_body:  # there it is a trailer
            self._headers[name.decode()] = value.strip().decode("latin-1")

    def on_headers_complete(self) -> None:
        encoding = self._headers.get("transfer-encoding", "chunked")
        if encoding.lower() != "chunked":
            raise ValueError(f"transfer encoding {encoding[:60]!r}, only chunked is read")
        if int(self._headers.get("content-length", "0")) > LARGEST_BODY_BYTES:
            raise ValueError(f"content length {self._headers['content-length']} is more than {LARGEST_BODY_BYTES}")
        self._in_body = self._parser.get_status_code() // 100 != 1  # 100 Continue and the like: the proper one follows

    def on_body(self, data: bytes) -> None:
        self._body += data
        self._bodiless_bytes = 0

    def on_message_complete(self) -> None:
        if self._in_body:
            keep = self._parser.should_keep_alive()
            self._reply = HttpReply(self._parser.get_status_code(), self._headers, bytes(self._body), keep)
        self._headers, self._body, self._in_body = {}, bytearray(), False
