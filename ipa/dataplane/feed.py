"""Where a router's plans come from: put by whoever knows the token, or followed (ipa.adapters.kubernetes.follow)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from ipa.dataplane.admin import Admin
from ipa.dataplane.background import Background
from ipa.dataplane.plan import ReplicaSpec, RoutePlan
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.readings import Readings
from ipa.dataplane.routed import Client
from ipa.dataplane.router import Router, connect

ADMIN_HOST = "127.0.0.1"  # wherever the pipeline itself may be reached from


class Feed(Protocol):
    """`host`: where its port listens, beside those of the pipeline."""

    @property
    def host(self) -> str: ...

    async def connect(self, spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        """As router.connect. Raises Unavailable."""

    def application(self, router: Router, readings: Readings) -> web.Application:
        """What its port answers."""

    async def begin(self, router: Router, background: Background, /) -> None:
        """Routes the first plan if there is one, and sees to those that follow. Raises Unavailable or ServingError."""


@dataclass(frozen=True, slots=True)
class Put:
    """Starts with `plan` if given; others are put with the token, on loopback alone."""

    token: str
    plan: RoutePlan | None = None

    @property
    def host(self) -> str:
        return ADMIN_HOST

    async def connect(self, spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        return await connect(spec)

    def application(self, router: Router, readings: Readings) -> web.Application:
        return Admin(router, readings, self.token).application()

    async def begin(self, router: Router, _background: Background) -> None:
        if self.plan is not None:
            await router.apply(self.plan)


async def begun(feed: Feed, router: Router, background: Background, stop: asyncio.Event) -> bool:
    """Whether it began before `stop` was set. Raises Unavailable or ServingError."""
    beginning, stopped = asyncio.create_task(feed.begin(router, background)), asyncio.create_task(stop.wait())
    await asyncio.wait((beginning, stopped), return_when=asyncio.FIRST_COMPLETED)
    done = beginning.done()
    for task in (beginning, stopped):
        task.cancel()
    await asyncio.gather(beginning, stopped, return_exceptions=True)
    if done:
        beginning.result()
    return done
