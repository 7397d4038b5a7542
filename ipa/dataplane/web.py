"""What both ports share: JSON answers, JSON errors, the body read under its limit."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from ipa.dataplane import documents
from ipa.dataplane.tensors import RequestError

# What a client may cost before its request is known, on every port.
BODY_LIMIT_BYTES = 64 * 1024 * 1024
BODY_TIMEOUT_S = 30.0  # from the end of the head to the end of the body
HEADER_LIMIT_BYTES = 8 * 1024
IDLE_TIMEOUT_S = 75.0  # a connection without a request, also one whose first head does not end


def _is_ours(record: logging.LogRecord) -> bool:
    """What is no HTTP, or no gzip, has been refused with a 400: a client must not be able to fill the log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError))


_log = logging.getLogger(__name__)
_log.addFilter(_is_ours)

# Of every web.AppRunner; beside them aiohttp itself allows 128 header lines.
LIMITS: dict[str, Any] = {
    "keepalive_timeout": IDLE_TIMEOUT_S,
    "max_line_size": HEADER_LIMIT_BYTES,
    "max_field_size": HEADER_LIMIT_BYTES,
    "lingering_time": 2.0,  # a refused body is read on for this long, so that the client sees the answer
    "access_log": None,
    "logger": _log,
}


def json_response(document: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=documents.dumps(document), status=status, headers=headers, content_type="application/json")


def error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return json_response({"error": message}, status, headers)


async def read_body(request: web.Request) -> bytes:
    """The body whatever its content type says (none or a form is read as JSON, too).

    Raises RequestError, HTTPRequestEntityTooLarge (413) or HTTPRequestTimeout (408).
    """
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise web.HTTPRequestEntityTooLarge(BODY_LIMIT_BYTES, request.content_length or 0)
    try:
        if request.content.is_eof():  # it came with the head, as most do: nothing to wait for, no timer to arm
            return await request.read()
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError as slow:
        raise web.HTTPRequestTimeout(reason=f"the body did not come within {BODY_TIMEOUT_S:g} s") from slow
    except web.RequestPayloadError as broken:
        raise RequestError(f"the body cannot be read: {broken}") from broken


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal of aiohttp itself (404, 405, 413) and every RequestError in the V2 form."""
    try:
        return await handler(request)
    except RequestError as refused:
        return error(400, str(refused))
    except web.HTTPRequestEntityTooLarge:
        return error(413, f"the body is larger than {BODY_LIMIT_BYTES} bytes, the limit")
    except web.HTTPException as refused:
        allow = refused.headers.get("Allow")
        return error(
            refused.status,
            f"{request.method} {request.path[:200]}: {refused.reason}",
            {"Allow": allow} if allow else None,
        )
