"""How a router's feed begins, and how a signal ends that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from ipa.dataplane.background import Background
from ipa.dataplane.feed import ADMIN_HOST, Feed, Put, begun
from ipa.dataplane.plan import ReplicaSpec
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.readings import Readings
from ipa.dataplane.routed import Client
from ipa.dataplane.router import Router
from ipa.errors import ServingError, Unavailable
from tests.dataplane.fakes import FakeWorld, plan, route


@dataclass
class Slow:
    """One that begins when `gate` opens, or fails with `error`."""

    host: str = "127.0.0.1"
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    async def connect(self, spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        raise Unavailable(spec.id)

    def application(self, router: Router, readings: Readings) -> web.Application:
        return readings.application()

    async def begin(self, router: Router, background: Background, /) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error


def begin(feed: Feed, world: FakeWorld, stop: asyncio.Event) -> asyncio.Task[bool]:
    return asyncio.create_task(begun(feed, world.router, world.background, stop))


def test_a_plan_that_is_given_is_routed_before_anything_is_announced() -> None:
    async def story() -> None:
        world, stop = FakeWorld(), asyncio.Event()
        assert await begin(Put("token", plan(route("one", ["a"]))), world, stop)
        assert world.router.ready
        await world.close()

    asyncio.run(story())


def test_without_one_it_begins_and_waits_for_it_on_loopback() -> None:
    async def story() -> None:
        world = FakeWorld()
        feed = Put("token")
        assert await begin(feed, world, asyncio.Event())
        assert (feed.host, world.router.ready) == (ADMIN_HOST, False)
        await world.close()

    asyncio.run(story())


def test_a_signal_ends_what_has_not_begun() -> None:
    async def story() -> None:
        world, stop, feed = FakeWorld(), asyncio.Event(), Slow()
        beginning = begin(feed, world, stop)
        await asyncio.sleep(0)
        stop.set()
        assert await beginning is False
        await world.close()

    asyncio.run(story())


@pytest.mark.parametrize("error", [Unavailable("nobody there"), ServingError("does not fit")])
def test_what_keeps_it_from_beginning_is_raised(error: Exception) -> None:
    async def story() -> None:
        world, feed = FakeWorld(), Slow(error=error)
        feed.gate.set()
        with pytest.raises(type(error), match=str(error)):
            await begin(feed, world, asyncio.Event())
        await world.close()

    asyncio.run(story())
