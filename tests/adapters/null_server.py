"""A V2 server that computes nothing, in a thread of its own: what it answers is a function of the request's number."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

METADATA = {
    "name": "digits",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 2, 2]}],
    "outputs": [{"name": "digit", "datatype": "INT64", "shape": [-1]}],
}

TOKEN = "token of the control API"
CORE_SECONDS_A_REQUEST = 36.0

Answer = Callable[[int, dict[str, Any]], Awaitable[web.Response]]


def label(value: object) -> web.Response:
    return web.json_response({"outputs": [{"name": "digit", "data": [value]}]})


async def first_pixel(number: int, body: dict[str, Any]) -> web.Response:
    """Answers with the first value of the input: right where label = first pixel."""
    return label(int(body["inputs"][0]["data"][0]))


class NullServer:
    """`url`, and the bodies it `received`, warm-up requests included."""

    def __init__(self, answer: Answer) -> None:
        self.url = ""
        self.received: list[dict[str, Any]] = []
        self._answer = answer

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response(METADATA)

    async def status(self, request: web.Request) -> web.Response:
        """The control API of a local run whose cores have been busy for every request alike."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "wrong token"}, status=401)
        return web.json_response({"core_seconds": CORE_SECONDS_A_REQUEST * len(self.received)})

    async def infer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.received.append(body)
        return await self._answer(len(self.received), body)


@contextmanager
def null_server(answer: Answer = first_pixel) -> Iterator[NullServer]:
    """Serves on an ephemeral port while the block lasts."""
    server, loop, started = NullServer(answer), asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=_serve, args=(server, loop, started))
    thread.start()
    try:
        assert started.wait(30)
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _serve(server: NullServer, loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
    app = web.Application()
    app.router.add_get("/v2/models/digits", server.metadata)
    app.router.add_get("/status", server.status)
    app.router.add_post("/v2/models/digits/infer", server.infer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    started.set()
    loop.run_forever()
    loop.run_until_complete(runner.cleanup())
    loop.close()
