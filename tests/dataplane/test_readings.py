"""The port that only tells: no token, and nothing to change by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.readings import Readings

Client = TestClient[web.Request, web.Application]


def serve(story: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        arrivals, metrics = Arrivals(1000.0), Metrics("pipe")
        for at_s in (1001.0, 1003.2, 1003.9):
            arrivals.count(at_s)
            metrics.requests.inc()
        readings = Readings(lambda: {"revision": 3, "stages": []}, arrivals, metrics, lambda: 1004.5)
        async with TestClient(TestServer(readings.application())) as client:
            await story(client)

    asyncio.run(run())


def test_plan_arrivals_and_metrics_are_told() -> None:
    async def story(client: Client) -> None:
        assert await (await client.get("/plan")).json() == {"revision": 3, "stages": []}
        assert await (await client.get("/arrivals?window=3")).json() == {"until_s": 1004.0, "counts": [1, 0, 2]}
        assert await (await client.get("/arrivals")).json() == {"until_s": 1004.0, "counts": [0, 1, 0, 2]}
        scraped = await client.get("/metrics")
        assert scraped.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert 'ipa_requests_total{pipeline="pipe"} 3.0' in (await scraped.text()).splitlines()

    serve(story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/plan", 405),
        ("POST", "/plan", 405),
        ("DELETE", "/plan", 405),
        ("POST", "/arrivals", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/arrivals?window=0", 400),
        ("GET", "/arrivals?window=x", 400),
    ],
)
def test_nothing_else_is_answered(method: str, path: str, status: int) -> None:
    async def story(client: Client) -> None:
        answer = await client.request(method, path, json={"stages": []} if method == "PUT" else None)
        assert answer.status == status
        assert "error" in await answer.json()

    serve(story)
