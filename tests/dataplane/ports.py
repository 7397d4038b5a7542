"""Both public ports over real sockets, with replicas that answer when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.grpc_ingress import GrpcIngress
from ipa.dataplane.ingress import Ingress
from ipa.dataplane.service import Service
from ipa.dataplane.web import LIMITS
from tests.dataplane.fakes import FakeWorld, plan, route

WALL_S = 5000.5
OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a channel is a connection
]

Client = TestClient[web.Request, web.Application]


class Port(FakeWorld):
    """A FakeWorld behind the real ingress; everything arrives in second 5000."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.arrivals = Arrivals(4000.0)
        self.grpc_address = ""
        self.service = Service(self.router, self.arrivals, self.metrics, self.clock, lambda: WALL_S)

    def arrived(self) -> int:
        return sum(self.arrivals.last(1000, 5001.0).counts)

    @property
    def waiting(self) -> int:
        return sum(stage.queue_length for stage in self.router.stages)

    @asynccontextmanager
    async def rest(self, **limits: Any) -> AsyncIterator[Client]:
        server = TestServer(Ingress(self.service).application())
        await server.start_server(**(LIMITS | limits))
        async with TestClient(server) as client:
            yield client

    @asynccontextmanager
    async def grpc(self) -> AsyncIterator[grpc.aio.Channel]:
        ingress = GrpcIngress(self.service, "127.0.0.1", 0)
        await ingress.start()
        self.grpc_address = f"127.0.0.1:{ingress.port}"
        try:
            async with grpc.aio.insecure_channel(self.grpc_address, OPTIONS) as channel:
                yield channel
        finally:
            await ingress.stop(grace_s=0)


async def opened(**changes: Any) -> Port:
    """A plan is routed unless the world has `stages` of its own."""
    port = Port(**changes)
    if "stages" not in changes:
        await port.router.apply(plan(route("one", ["a"])))
    return port


def serve_rest(story: Callable[[Port, Client], Awaitable[None]], limits: Any = None, **changes: Any) -> None:
    """Runs `story` with a client of the REST port; `changes` are of the FakeWorld."""

    async def run() -> None:
        port = await opened(**changes)
        async with port.rest(**(limits or {})) as client:
            await story(port, client)
        await port.close()

    asyncio.run(run())


def serve_grpc(story: Callable[[Port, Any], Awaitable[None]], **changes: Any) -> None:
    """Runs `story` with a channel to the gRPC port."""

    async def run() -> None:
        port = await opened(**changes)
        async with port.grpc() as channel:
            await story(port, channel)
        await port.close()

    asyncio.run(run())
