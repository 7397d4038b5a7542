"""The control API over a supervisor that runs nothing: who may call, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ipa.adapters.serving.control_api import ControlApi, listen
from ipa.adapters.serving.supervisor import Supervisor
from tests.adapters.serving import tiny

Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
AUTHORISED = {"Authorization": "Bearer secret"}


def story(folder: Path, tell: Callable[[Call, asyncio.Event], Awaitable[None]]) -> None:
    async def play() -> None:
        stop = asyncio.Event()
        runner, url = await listen(ControlApi(Supervisor(tiny.config(folder), folder, "admin"), "secret", stop))

        async def call(method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
            request = {"headers": AUTHORISED, **request}
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, url + path, **request) as answer,
            ):
                return answer.status, await answer.json()

        try:
            await tell(call, stop)
        finally:
            await runner.cleanup()

    asyncio.run(play())


def test_every_call_needs_the_token(tmp_path: Path) -> None:
    async def tell(call: Call, stop: asyncio.Event) -> None:
        for method, path in (("GET", "/status"), ("PUT", "/plan"), ("POST", "/stop")):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
                status, answer = await call(method, path, headers=headers)
                assert status == 401 and "Bearer TOKEN" in answer["error"]
        assert not stop.is_set()

    story(tmp_path, tell)


def test_status_before_anything_runs(tmp_path: Path) -> None:
    async def tell(call: Call, stop: asyncio.Event) -> None:
        status, answer = await call("GET", "/status")
        assert status == 200
        assert (answer["pipeline"], answer["plan"], answer["ready"]) == ("tiny", [], False)
        assert (answer["replicas"], answer["core_seconds"]) == ([], 0)

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param(b"{", "not JSON", id="not JSON"),
        pytest.param(b"[]", "must be a list of rows", id="no object"),
        pytest.param(b'{"plan": [{"stage": "scale"}]}', "plan[0].variant", id="a row without a variant"),
        pytest.param(b'{"plan": []}', "scale, shift", id="stages without a row"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, body: bytes, named: str) -> None:
    async def tell(call: Call, stop: asyncio.Event) -> None:
        status, answer = await call("PUT", "/plan", data=body)
        assert status == 400 and named in answer["error"]

    story(tmp_path, tell)


def test_a_plan_for_what_has_not_started_is_not_applied(tmp_path: Path) -> None:
    async def tell(call: Call, stop: asyncio.Event) -> None:
        rows = [asdict(allocation) for allocation in tiny.plan().allocations]
        status, answer = await call("PUT", "/plan", json={"plan": rows})
        assert status == 200
        assert answer["applied"] is False and "nothing runs yet" in answer["detail"]

    story(tmp_path, tell)


def test_stop_stops(tmp_path: Path) -> None:
    async def tell(call: Call, stop: asyncio.Event) -> None:
        assert await call("POST", "/stop") == (200, {"stopping": True})
        assert stop.is_set()

    story(tmp_path, tell)
