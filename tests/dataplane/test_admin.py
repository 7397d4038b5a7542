from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ipa.dataplane.admin import Admin
from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.readings import Readings
from ipa.dataplane.tensors import TensorSpec
from tests.dataplane.fakes import FakeWorld

Client = TestClient[web.Request, web.Application]


def serve(
    story: Callable[[FakeWorld, Arrivals, Client], Awaitable[None]],
    authorization: str | None = "Bearer secret",
) -> None:
    async def run() -> None:
        world, arrivals = FakeWorld(), Arrivals(1000.0)
        readings = Readings(world.router.state, arrivals, world.metrics, lambda: 1004.5)
        admin = Admin(world.router, readings, "secret")
        headers = {"Authorization": authorization} if authorization is not None else {}
        async with TestClient(TestServer(admin.application()), headers=headers) as client:
            await story(world, arrivals, client)
        await world.close()

    asyncio.run(run())


def document(*ids: str, **changes: Any) -> dict[str, Any]:
    replicas = [{"id": i, "address": "127.0.0.1:1", "model": "double", "variant": "v"} for i in ids]
    return {"stages": [{"stage": "one", "batch": 4, "remaining_s": 0.5, "replicas": replicas} | changes]}


@pytest.mark.parametrize("authorization", [None, "", "secret", "Bearer", "Bearer wrong", "Bearer secretx", "Bearer ü"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/plan"), ("GET", "/plan"), ("GET", "/arrivals"), ("GET", "/metrics"), ("GET", "/nowhere")],
)
def test_without_the_token_every_call_is_401(authorization: str | None, method: str, path: str) -> None:
    async def story(world: FakeWorld, arrivals: Arrivals, client: Client) -> None:
        answer = await client.request(method, path, json=document("a") if method == "PUT" else None)
        assert answer.status == 401
        assert "error" in await answer.json()
        assert world.router.state() == {"stages": []}

    serve(story, authorization)


def test_a_plan_goes_in_and_comes_out_with_its_state() -> None:
    async def story(world: FakeWorld, arrivals: Arrivals, client: Client) -> None:
        assert await (await client.get("/plan")).json() == {"stages": []}
        put = await client.put("/plan", json=document("a"))
        assert (put.status, await put.json()) == (200, {"drained": [], "undrained": []})
        put = await client.put("/plan", json=document("b"))
        assert await put.json() == {"drained": ["a"], "undrained": []}
        (stage,) = (await (await client.get("/plan")).json())["stages"]
        assert (stage["stage"], stage["batch"], stage["remaining_s"], stage["queue_length"]) == (
            "one",
            4,
            0.5,
            0,
        )
        (replica,) = stage["replicas"]
        assert (replica["id"], replica["in_flight"], replica["up"]) == ("b", 0, True)

    serve(story)


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (document("a", batch=0), 400, "batch: 0 must be at least 1"),
        ([], 400, "plan: must be an object"),
        (document("absent"), 503, "absent does not answer"),
        (document("text"), 422, "input 't' is BYTES"),
    ],
)
def test_a_plan_that_cannot_be_routed_says_why_and_changes_nothing(sent: Any, status: int, says: str) -> None:
    async def story(world: FakeWorld, arrivals: Arrivals, client: Client) -> None:
        text = TensorSpec("t", "BYTES", (-1,))
        world.models["text"] = ModelMetadata("m", (text,), (text,))
        answer = await client.put("/plan", json=sent)
        assert answer.status == status
        assert says in (await answer.json())["error"]
        assert world.router.state() == {"stages": []}

    serve(story)


def test_ticks_are_counts_of_whole_fiftieths_of_a_second() -> None:
    async def story(world: FakeWorld, arrivals: Arrivals, client: Client) -> None:
        for at_s in (1002.01, 1004.25, 1004.255, 1004.49):
            arrivals.count(at_s)
        found = await (await client.get("/ticks?window=1")).json()
        assert found["until_s"] == 1004.5
        assert len(found["counts"]) == 50
        assert {at: n for at, n in enumerate(found["counts"]) if n} == {37: 2, 49: 1}
        assert sum((await (await client.get("/ticks?window=60")).json())["counts"]) == 4
        assert (await client.get("/ticks", params={"window": "0"})).status == 400

    serve(story)


def test_arrivals_are_counts_of_whole_seconds() -> None:
    async def story(world: FakeWorld, arrivals: Arrivals, client: Client) -> None:
        for at_s in (1000.5, 1002.1, 1002.2, 1004.1):
            arrivals.count(at_s)
        assert await (await client.get("/arrivals")).json() == {"until_s": 1004.0, "counts": [1, 0, 2, 0]}
        assert (await (await client.get("/arrivals?window=2")).json())["counts"] == [2, 0]
        for window in ("0", "-1", "1.5", "x", "", "9" * 50, "²"):
            assert (await client.get("/arrivals", params={"window": window})).status == 400

    serve(story)
