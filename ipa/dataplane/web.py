"""What both ports share: JSON answers, JSON errors, the body read under its limit."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from ipa.dataplane import documents
from ipa.dataplane.tensors import RequestError

BODY_LIMIT_BYTES = 64 * 1024 * 1024


def json_response(document: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=documents.dumps(document), status=status, headers=headers, content_type="application/json")


def error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return json_response({"error": message}, status, headers)


async def read_body(request: web.Request) -> bytes:
    """The body whatever its content type says (none or a form is read as JSON, too). Raises RequestError."""
    try:
        return await request.read()
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
