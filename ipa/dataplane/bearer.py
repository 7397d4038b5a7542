"""Who may call a port that changes what runs: whoever knows its token."""

from __future__ import annotations

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ipa.dataplane.web import error


def bearer_only(token: str) -> Middleware:
    """Every call without `Authorization: Bearer TOKEN` is a 401; compared in constant time."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, expected):
            return error(401, "the header Authorization: Bearer TOKEN is missing or wrong")
        return await handler(request)

    return check
