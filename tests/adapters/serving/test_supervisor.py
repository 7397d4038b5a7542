"""The supervisor with real routers and real model servers of tiny models."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ipa.adapters.serving.supervisor import Supervisor
from ipa.domain import Config, Plan
from ipa.errors import ServingError
from tests.adapters.serving import tiny
from tests.adapters.serving.processes import alive

pytestmark = pytest.mark.slow


@asynccontextmanager
async def running(config: Config, plan: Plan, folder: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(config, folder, "secret")
    pids: list[int] = []
    try:
        await supervisor.start_router(0)
        await supervisor.start(plan)
        yield supervisor
        pids = [replica["pid"] for replica in supervisor.status()["replicas"]]
    finally:
        await supervisor.stop()
    assert not any(alive(pid) for pid in pids)


def story(folder: Path, plan: Plan, tell: Callable[[Supervisor], Awaitable[None]], **control: Any) -> None:
    async def play() -> None:
        async with running(tiny.config(folder, **control), plan, folder) as supervisor:
            await tell(supervisor)

    asyncio.run(play())


async def ask(supervisor: Supervisor, value: float = 1.0) -> float:
    """One request through the router; fails unless it is answered."""
    assert supervisor.router is not None
    url = f"{supervisor.router.url}/v2/models/tiny/infer"
    async with aiohttp.ClientSession() as session, session.post(url, json=tiny.body(value)) as response:
        assert response.status == 200, await response.text()
        return tiny.answer(await response.json())


def servers(supervisor: Supervisor, stage: str) -> dict[str, int]:
    """replica id → pid"""
    replicas = supervisor.status()["replicas"]
    return {replica["id"]: replica["pid"] for replica in replicas if replica["stage"] == stage}


async def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(1200):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never came true: {what}")


def test_a_plan_serves(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        assert supervisor.ready
        assert await ask(supervisor, 5.0) == 5 * 2 + 1
        status = supervisor.status()
        assert [row["variant"] for row in status["plan"]] == ["by2", "plus1"]
        assert {r["state"] for r in status["replicas"]} == {"routed"}
        assert all(r["load_s"] > 0 and r["memory_mb"] > 10 for r in status["replicas"])
        assert 0 < status["core_seconds"] < supervisor.status()["core_seconds"]

    story(tmp_path, tiny.plan(), tell)


def test_a_variant_change_under_load_loses_no_request(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        answers: list[float] = []
        done = asyncio.Event()

        async def load() -> None:
            while not done.is_set():
                answers.append(await ask(supervisor))

        loads = [asyncio.create_task(load()) for _ in range(4)]
        outcome = await supervisor.apply(tiny.plan("by3", "plus100"))
        done.set()
        await asyncio.gather(*loads)  # raises if any request was not answered
        assert outcome.applied, outcome.detail
        assert await ask(supervisor) == 103
        assert set(answers) <= {3, 4, 102, 103}
        assert supervisor.plan == tiny.plan("by3", "plus100")
        assert len(servers(supervisor, "scale")) == 1

    story(tmp_path, tiny.plan(), tell)


def test_a_change_of_batch_restarts_no_server_and_replicas_come_and_go(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        one = servers(supervisor, "scale")
        assert (await supervisor.apply(tiny.plan(batch=4))).applied
        assert servers(supervisor, "scale") == one
        assert (await supervisor.apply(tiny.plan(batch=4, replicas=2))).applied
        two = servers(supervisor, "scale")
        assert one.items() < two.items() and len(two) == 2
        assert (await supervisor.apply(tiny.plan(batch=4))).applied
        assert servers(supervisor, "scale") == one
        assert not any(alive(pid) for pid in two.values() if pid not in one.values())
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_change_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        scale, shift = servers(supervisor, "scale"), servers(supervisor, "shift")
        (tmp_path / "models/shift/plus100.onnx").write_text("no model")
        outcome = await supervisor.apply(tiny.plan("by3", "plus100"))
        assert not outcome.applied
        assert "shift/plus100" in outcome.detail and "exit code 1" in outcome.detail
        assert supervisor.plan == tiny.plan()
        # scale had been changed and was taken back: with new servers, but of the same kind
        assert len(servers(supervisor, "scale")) == len(scale)
        assert servers(supervisor, "shift") == shift
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_change_that_fails_without_a_router_is_taken_back_once_there_is_one(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        before = supervisor.router
        assert before is not None
        os.kill(before.child.pid, signal.SIGKILL)
        outcome = await supervisor.apply(tiny.plan("by3", replicas=2))
        assert outcome.applied or "router" in outcome.detail  # it may be back before the new servers are warm
        wanted = tiny.plan("by3", replicas=2) if outcome.applied else tiny.plan()
        await until(
            lambda: len(servers(supervisor, "scale")) == wanted.stage("scale").replicas and supervisor.ready,
            "exactly the plan's servers run",
        )
        assert supervisor.plan == wanted

    story(tmp_path, tiny.plan(), tell)


def test_a_killed_replica_is_replaced(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        ((_, pid),) = servers(supervisor, "shift").items()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not supervisor.ready, "the death was noticed")
        await until(lambda: supervisor.ready and not supervisor._changing.locked(), "it was replaced")
        assert pid not in servers(supervisor, "shift").values()
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_replica_that_hangs_without_dying_is_replaced(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        ((_, pid),) = servers(supervisor, "shift").items()
        os.kill(pid, signal.SIGSTOP)
        assert supervisor.router is not None
        url = f"{supervisor.router.url}/v2/models/tiny/infer"
        async with aiohttp.ClientSession() as session, session.post(url, json=tiny.body()) as response:
            assert response.status in (502, 503, 504), "an error, not a hang: there is no other replica"
        await until(lambda: pid not in servers(supervisor, "shift").values(), "it was killed")
        await until(lambda: supervisor.ready and not supervisor._changing.locked(), "it was replaced")
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_replica_killed_during_a_change_does_not_stop_it(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        ((_, pid),) = servers(supervisor, "shift").items()
        change = asyncio.create_task(supervisor.apply(tiny.plan("by3", batch=4)))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        outcome = await change
        assert outcome.applied, outcome.detail
        await until(lambda: supervisor.ready and not supervisor._changing.locked(), "it was replaced")
        assert await ask(supervisor) == 4

    story(tmp_path, tiny.plan(), tell)


def test_changes_wait_for_each_other(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        plans = [tiny.plan(batch=4), tiny.plan("by3", batch=4), tiny.plan(batch=1)]
        outcomes = await asyncio.gather(*(supervisor.apply(plan) for plan in plans))
        assert all(outcome.applied for outcome in outcomes)
        assert supervisor.plan == plans[-1]
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_model_that_cannot_be_restarted_is_tried_until_it_can(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        model = tmp_path / "models/shift/plus1.onnx"
        good = model.read_bytes()
        model.write_text("no model")
        ((_, pid),) = servers(supervisor, "shift").items()
        os.kill(pid, signal.SIGKILL)
        log = tmp_path / "shift-plus1-1.log"
        await until(lambda: "Protobuf" in log.read_text(), "a restart failed")
        assert not supervisor.ready
        model.write_bytes(good)
        await until(lambda: supervisor.ready and not supervisor._changing.locked(), "it was replaced")
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_killed_router_comes_back_on_its_port_with_the_plan(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        before = supervisor.router
        assert before is not None
        os.kill(before.child.pid, signal.SIGKILL)
        await until(lambda: supervisor.router is not before, "it was restarted")
        assert supervisor.router is not None and supervisor.router.url == before.url
        assert supervisor.router.grpc_address == before.grpc_address
        async with aiohttp.ClientSession() as session:
            for _ in range(600):
                async with session.get(f"{before.url}/v2/health/ready") as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)
        assert await ask(supervisor) == 3

    story(tmp_path, tiny.plan(), tell)


def test_a_tight_core_limit_replaces_one_by_one_and_says_so(tmp_path: Path) -> None:
    async def tell(supervisor: Supervisor) -> None:
        from dataclasses import replace

        limits = replace(supervisor.config.pipeline.limits, cores=3)
        supervisor.config = replace(supervisor.config, pipeline=replace(supervisor.config.pipeline, limits=limits))
        outcome = await supervisor.apply(tiny.plan("by3", replicas=2))
        assert outcome.applied and "less capacity" in outcome.detail
        assert await ask(supervisor) == 4

    story(tmp_path, tiny.plan(replicas=2), tell, surge_cores=0.0)


def test_a_broken_model_at_start_names_it_and_leaves_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        config = tiny.config(tmp_path)
        (tmp_path / "models/scale/by2.onnx").write_text("no model")
        supervisor = Supervisor(config, tmp_path, "secret")
        try:
            await supervisor.start_router(0)
            with pytest.raises(ServingError, match=r"scale/by2.*exit code 1.*Protobuf"):
                await supervisor.start(tiny.plan())
        finally:
            await supervisor.stop()
        assert supervisor.status()["replicas"] == []

    asyncio.run(play())
