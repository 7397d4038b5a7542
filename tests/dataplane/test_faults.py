"""What goes wrong with real processes: a replica that is killed, hangs or lies, and a plan that changes all the time.

Every test accounts for every request: sent = answered + dropped + failed, by the clients and by the router's own count.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest

from tests.dataplane.processes import AUTHORIZED, Running, Server, Servers, model_servers, put_plan, router
from tests.dataplane.small_server import GARBAGE
from tests.dataplane.test_end_to_end import client, metric, send

pytestmark = pytest.mark.slow

Story = Callable[[Running, aiohttp.ClientSession], Awaitable[None]]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with model_servers() as started:
        yield started


@pytest.fixture(scope="module")
def two(servers: Servers) -> list[Server]:
    """The second stage, which nothing happens to."""
    return servers.start_small("two")


def play(story: Story, **changes: Any) -> None:
    async def run(running: Running) -> None:
        async with client(running) as session:
            await story(running, session)

    with router(**changes) as running:
        asyncio.run(run(running))


async def steady(session: aiohttp.ClientSession, until: asyncio.Event, every_s: float = 0.01) -> Counter[int]:
    """Requests at a steady pace, whatever becomes of them, `until` is set: how many had which status."""
    sent: list[asyncio.Task[int]] = []
    while not until.is_set():
        sent.append(asyncio.create_task(send(session, len(sent) % 1000, 1 + len(sent) % 3)))
        await asyncio.sleep(every_s)
    return Counter(await asyncio.gather(*sent))


async def check_identity(session: aiohttp.ClientSession, statuses: Counter[int]) -> None:
    assert await metric(session, "ipa_requests_total") == statuses.total()
    assert await metric(session, "ipa_answers_total") == statuses[200]
    reasons = ("deadline", "queue-full", "unavailable")
    dropped = [await metric(session, f'ipa_drops_total{{reason="{reason}"}}') for reason in reasons]
    assert sum(dropped) == statuses[503] + statuses[504]
    assert await metric(session, "ipa_errors_total") == statuses[500] + statuses[502]
    assert set(statuses) <= {200, 500, 502, 503, 504}


async def states(running: Running) -> list[dict[str, Any]]:
    """The replicas of stage one as the admin port tells."""
    async with (
        aiohttp.ClientSession(headers=AUTHORIZED) as session,
        session.get(f"{running.admin_url}/plan") as answer,
    ):
        found: list[dict[str, Any]] = (await answer.json())["stages"][0]["replicas"]
        return found


async def until(running: Running, holds: Callable[[list[dict[str, Any]]], bool]) -> None:
    while not holds(await states(running)):
        await asyncio.sleep(0.05)


def test_a_replica_that_hangs_is_out_costs_no_request_and_comes_back(servers: Servers, two: list[Server]) -> None:
    ones = servers.start_small("one", "one", delay_s=0.01)

    async def story(running: Running, session: aiohttp.ClientSession) -> None:
        await put_plan(running, ones + two, p99_s=0.02)
        over = asyncio.Event()
        load = asyncio.create_task(steady(session, over))
        await until(running, lambda replicas: any(replica["in_flight"] for replica in replicas))
        ones[0].child.send_signal(signal.SIGSTOP)
        await until(running, lambda replicas: not replicas[0]["up"])
        assert "DEADLINE_EXCEEDED" in (await states(running))[0]["fault"]
        assert (await states(running))[1]["up"]
        ones[0].child.send_signal(signal.SIGCONT)
        await until(running, lambda replicas: replicas[0]["up"] and replicas[0]["down_s"] is None)
        over.set()
        statuses = await load
        assert set(statuses) == {200}, "its batch went to the other"
        await check_identity(session, statuses)

    play(story)


def test_killing_every_replica_in_turn_accounts_for_every_request(servers: Servers, two: list[Server]) -> None:
    ones = servers.start_small("one", "one", delay_s=0.01)

    async def story(running: Running, session: aiohttp.ClientSession) -> None:
        await put_plan(running, ones + two)
        over = asyncio.Event()
        load = asyncio.create_task(steady(session, over))
        for gone, server in enumerate(ones, start=1):
            await asyncio.sleep(0.5)
            server.child.send_signal(signal.SIGKILL)
            await until(running, lambda replicas, gone=gone: sum(not r["up"] for r in replicas) == gone)  # type: ignore[misc]
        await asyncio.sleep(0.5)
        fresh = servers.start_small  # a new one is routed while clients are being refused
        await put_plan(running, await asyncio.to_thread(fresh, "one") + two)
        await asyncio.sleep(0.5)
        over.set()
        statuses = await load
        assert {200, 503} <= set(statuses) <= {200, 502, 503}
        assert await send(session, 1) == 200
        await check_identity(session, statuses + Counter({200: 1}))

    play(story)


@pytest.mark.parametrize("garbage", [*GARBAGE, "name", "datatype", "junk"])
def test_a_replica_that_answers_garbage_is_out_and_the_router_lives(
    servers: Servers, two: list[Server], honest: list[Server], garbage: str
) -> None:
    liar = servers.start_small("one", garbage=garbage)

    async def story(running: Running, session: aiohttp.ClientSession) -> None:
        await put_plan(running, liar + honest + two)
        statuses = Counter(await asyncio.gather(*(send(session, i) for i in range(40))))
        assert set(statuses) == {200}
        await check_identity(session, statuses)
        assert await metric(session, 'ipa_replica_failures_total{stage="one"}') >= 1
        assert (await states(running))[1]["up"]

    play(story)


@pytest.fixture(scope="module")
def honest(servers: Servers) -> list[Server]:
    return servers.start_small("one")


def test_a_plan_that_changes_every_second_loses_no_request(servers: Servers, two: list[Server]) -> None:
    ones, more = servers.start_small("one", "one", delay_s=0.01), servers.start_small("two")
    plans: list[tuple[list[Server], dict[str, Any]]] = [
        (ones[:1] + two, {"batch": 1, "batching": "greedy"}),
        (ones + two, {"batch": 4, "batching": "full", "batch_wait_s": 0.05}),
        (ones[1:] + more, {"batch": 16}),
        (ones + two + more, {"batch": 2, "p99_s": 0.05}),
    ]

    async def story(running: Running, session: aiohttp.ClientSession) -> None:
        await put_plan(running, ones + two)
        over = asyncio.Event()
        load = asyncio.create_task(steady(session, over))
        for turn in range(8):
            await asyncio.sleep(1.0)
            routed, fields = plans[turn % len(plans)]
            assert (await put_plan(running, routed, **fields))["undrained"] == []
        over.set()
        statuses = await load
        assert set(statuses) == {200}
        await check_identity(session, statuses)

    play(story)


def test_a_stampede_is_answered_dropped_or_refused_and_all_of_it_counted(servers: Servers, two: list[Server]) -> None:
    ones = servers.start_small("one", delay_s=0.05)

    async def story(running: Running, session: aiohttp.ClientSession) -> None:
        await put_plan(running, ones + two, batch=1)
        statuses = Counter(await asyncio.gather(*(send(session, i) for i in range(200))))
        assert set(statuses) == {200, 503, 504}
        await check_identity(session, statuses)

    play(story, drop_after_s=1.0, queue_limit=100)
