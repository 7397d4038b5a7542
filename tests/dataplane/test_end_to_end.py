"""The router process in front of real MLServer processes, one per replica."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.dataplane.processes import Running, Server, Servers, model_servers, put_plan, router

pytestmark = pytest.mark.slow

ANSWERED = {200}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with model_servers() as started:
        yield started


@pytest.fixture(scope="module")
def pair(servers: Servers) -> list[Server]:
    """One slow replica in each stage, shared by the tests that break nothing."""
    return servers.start("one", "two", delay_s=0.02)


def document(value: float, row_count: int = 1) -> dict[str, Any]:
    data = [value, 1.0] * row_count
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [row_count, 2], "data": data}]}


async def send(session: aiohttp.ClientSession, value: float, row_count: int = 1) -> int:
    """The status; an answer must be exactly the models' result for this very request."""
    async with session.post("/v2/models/pipe/infer", json=document(value, row_count)) as answer:
        body = await answer.json()
        if answer.status == 200:
            (output,) = body["outputs"]
            assert (output["name"], output["shape"]) == ("z", [row_count, 2])
            assert output["data"] == [4 * value, 4.0] * row_count
        else:
            assert "error" in body
        return answer.status


def client(running: Running) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(running.url, connector=aiohttp.TCPConnector(limit=200))


async def metric(session: aiohttp.ClientSession, name: str) -> float:
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith(name)).rsplit(" ", 1)[1])


def test_answers_are_the_models_and_batches_form(pair: list[Server]) -> None:
    async def story(running: Running) -> None:
        await put_plan(running, pair, batch=8)
        async with client(running) as session:
            async with session.get("/v2/health/ready") as ready:
                assert ready.status == 200
            async with session.get("/v2/models/pipe") as answer:
                metadata = await answer.json()
            assert [tensor["name"] for tensor in metadata["inputs"] + metadata["outputs"]] == ["x", "z"]
            sent = [send(session, i, 1 + i % 3) for i in range(120)]
            assert set(await asyncio.gather(*sent)) == ANSWERED
            for stage in ("one", "two"):
                batches = await metric(session, f'ipa_batch_size_count{{stage="{stage}"}}')
                rows = await metric(session, f'ipa_batch_size_sum{{stage="{stage}"}}')
                assert rows == sum(1 + i % 3 for i in range(120))
                assert batches < 120, "requests that wait together are served together"
            while not await metric(session, "ipa_arrivals_per_second_max"):  # of whole seconds, from the first one on
                assert await send(session, 1) in ANSWERED
                await asyncio.sleep(0.1)

    with router() as running:
        asyncio.run(story(running))


def test_an_overloaded_pipeline_drops_what_is_too_late_and_answers_the_rest(pair: list[Server]) -> None:
    async def story(running: Running) -> None:
        await put_plan(running, pair, batch=1)
        async with client(running) as session:
            statuses = await asyncio.gather(*(send(session, i) for i in range(300)))
        assert set(statuses) == {200, 504}

    with router(drop_after_s=1.5) as running:
        asyncio.run(story(running))


def test_a_request_that_makes_the_model_raise_fails_alone(servers: Servers, pair: list[Server]) -> None:
    second = servers.start("one")

    async def story(running: Running) -> None:
        await put_plan(running, pair + second)
        async with client(running) as session:
            sent = asyncio.gather(*(send(session, 1 + i) for i in range(60)))
            async with session.post("/v2/models/pipe/infer", json=document(-1)) as answer:
                assert answer.status == 500
                assert "a negative input" in (await answer.json())["error"]
            assert set(await sent) == ANSWERED
            assert await metric(session, 'ipa_replica_failures_total{stage="one"}') == 0

    with router() as running:
        asyncio.run(story(running))


def test_a_replica_killed_under_load_costs_no_request(servers: Servers) -> None:
    ones, twos = servers.start("one", "one", delay_s=0.02), servers.start("two")

    async def story(running: Running) -> None:
        await put_plan(running, ones + twos, batch=4)
        async with client(running) as session:
            sent = [asyncio.create_task(send(session, i)) for i in range(200)]
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            ones[0].child.send_signal(signal.SIGKILL)
            statuses = set(await asyncio.gather(*sent))
            assert statuses == ANSWERED, "the batch in flight went to the other replica"
            ones[1].child.send_signal(signal.SIGKILL)
            ones[1].child.wait()
            statuses = set(await asyncio.gather(*(send(session, i) for i in range(50))))
            assert statuses == {503}, "refused at once: nobody is left"
            async with session.get("/v2/health/ready") as ready:
                assert ready.status == 503

    with router() as running:
        asyncio.run(story(running))


def test_plans_swapped_under_load_lose_nothing(servers: Servers, pair: list[Server]) -> None:
    extra = servers.start("one", "two", delay_s=0.02)
    plans = [pair, extra, pair + extra, [pair[0], extra[1]]]

    async def story(running: Running) -> None:
        await put_plan(running, pair)
        async with client(running) as session:
            sent = [asyncio.create_task(send(session, i)) for i in range(400)]
            for routed in plans * 2:
                await asyncio.sleep(0.05)
                assert (await put_plan(running, routed, batch=len(routed)))["undrained"] == []
            assert set(await asyncio.gather(*sent)) == ANSWERED

    with router() as running:
        asyncio.run(story(running))


def test_sigterm_lets_what_is_in_the_pipeline_finish(pair: list[Server]) -> None:
    async def story(running: Running) -> None:
        await put_plan(running, pair, batch=2)
        async with client(running) as session:
            sent = [asyncio.create_task(send(session, i)) for i in range(20)]
            while await metric(session, "ipa_requests_total") < len(sent):
                await asyncio.sleep(0.01)
            running.child.send_signal(signal.SIGTERM)
            assert set(await asyncio.gather(*sent)) == ANSWERED

    with router() as running:
        asyncio.run(story(running))
        assert running.child.wait(timeout=30) == 0
