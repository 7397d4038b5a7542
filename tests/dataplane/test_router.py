"""The line of stages and the swap of plans, against replicas that answer when told to."""

from __future__ import annotations

import asyncio

import pytest

from ipa.dataplane import router as router_module
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import TensorSpec
from ipa.errors import ServingError, Unavailable
from tests.dataplane.fakes import FakeWorld, doubling, first, plan, route, settle


def test_what_one_stage_returns_the_next_takes() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two", "three"])
        world.open("a", "b", "c")
        await world.router.apply(plan(route("one", ["a"]), route("two", ["b"]), route("three", ["c"])))
        assert first(await world.send(1, 2)) == [8, 16]
        await world.close()

    asyncio.run(story())


def test_before_a_plan_and_with_an_empty_stage_requests_are_refused() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two"])
        world.open("a", "b")
        for routed in (None, plan(route("one", ["a"]), route("two", []))):
            if routed is not None:
                await world.router.apply(routed)
            answer = await world.send(1)
            assert isinstance(answer, Refusal)
            assert (answer.status, answer.reason) == (503, "unavailable")
            assert not world.router.ready
        await world.router.apply(plan(route("one", ["a"]), route("two", ["b"])))
        assert world.router.ready
        await world.close()

    asyncio.run(story())


def test_a_swap_lets_the_old_finish_gives_the_next_to_the_new_and_reports_who_drained() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["old", "stays"], batch=1)))
        stays = world.replica("stays")
        answers = [world.send(i) for i in range(4)]
        await settle()
        swap = asyncio.create_task(world.router.apply(plan(route("one", ["stays", "new"], batch=1))))
        await settle()
        assert not swap.done(), "the old one still holds a batch"
        assert world.replica("new").calls == [[2]], "the new one takes the next at once"
        world.open("old")
        drain = await swap
        assert (drain.drained, drain.undrained) == (("old",), ())
        assert world.replica("old").closed
        assert world.replica("stays") is stays
        assert not stays.closed
        world.open("stays", "new")
        assert [first(answer) for answer in await asyncio.gather(*answers)] == [[0], [2], [4], [6]]
        assert world.replica("old").calls == [[0]]
        await world.close()

    asyncio.run(story())


def test_a_replica_that_does_not_finish_is_reported_and_closed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_module, "DRAIN_TIMEOUT_S", 0.01)

    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["slow", "idle"])))
        answer = world.send(1)
        await settle()
        drain = await world.router.apply(plan(route("one", ["new"])))
        assert (drain.drained, drain.undrained) == (("idle",), ("slow",))
        world.open("slow")
        assert first(await answer) == [2]
        await settle()
        assert world.replica("slow").closed
        await world.close()

    asyncio.run(story())


def test_a_batch_that_fails_on_a_replica_that_left_goes_to_the_new_one() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["old"])))
        world.replica("old").faults.append(Unavailable("stopped too early"))
        answer = world.send(1)
        await settle()
        swap = asyncio.create_task(world.router.apply(plan(route("one", ["new"]))))
        await settle()
        world.open("old", "new")
        assert first(await answer) == [2]
        assert (await swap).drained == ("old",)
        await world.close()

    asyncio.run(story())


def test_a_plan_with_an_unreachable_replica_changes_nothing() -> None:
    async def story() -> None:
        world = FakeWorld()
        world.open("a")
        await world.router.apply(plan(route("one", ["a"])))
        before = world.router.state()
        with pytest.raises(Unavailable, match="absent"):
            await world.router.apply(plan(route("one", ["new", "absent"])))
        assert world.router.state() == before
        assert world.replica("new").closed
        assert first(await world.send(1)) == [2]
        await world.close()

    asyncio.run(story())


def test_models_that_do_not_fit_each_other_are_refused() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two"])
        other = TensorSpec("other", "FP32", (-1,))
        world.models["b"] = ModelMetadata("m", (other,), (other,))
        with pytest.raises(ServingError, match="replica 'a' before 'b': 'double' returns"):
            await world.router.apply(plan(route("one", ["a"]), route("two", ["b"])))
        assert world.replica("a").closed
        assert world.replica("b").closed
        assert world.router.model is None
        await world.close()

    asyncio.run(story())


def test_the_pipeline_takes_what_the_first_takes_and_returns_what_the_last_returns() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two"])
        label = TensorSpec("label", "INT64", (-1,))
        world.models["b"] = ModelMetadata("m", doubling().inputs, (label,))
        await world.router.apply(plan(route("one", ["a"]), route("two", ["b"])))
        assert world.router.model == ModelMetadata("pipe", doubling().inputs, (label,))
        await world.close()

    asyncio.run(story())


def test_the_state_tells_plan_queues_and_replicas() -> None:
    async def story() -> None:
        world = FakeWorld()
        assert world.router.state() == {"stages": []}
        await world.router.apply(plan(route("one", ["a"], batch=1, remaining_s=0.5)))
        answers = [world.send(1), world.send(2), world.send(3)]
        await settle()
        replica = {"id": "a", "address": "127.0.0.1:1", "model": "double", "variant": "plain"}
        assert world.router.state() == {
            "stages": [
                {
                    "stage": "one",
                    "batch": 1,
                    "remaining_s": 0.5,
                    "queue_length": 2,
                    "replicas": [replica | {"in_flight": 1, "up": True}],
                }
            ]
        }
        world.open("a")
        await asyncio.gather(*answers)
        await world.close()

    asyncio.run(story())


def test_swaps_under_load_lose_and_double_nothing() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two"], queue_limit=1000)
        world.open(*(f"{stage}{i}" for stage in "ab" for i in range(20)))
        await world.router.apply(plan(route("one", ["a0"]), route("two", ["b0"])))
        answers = []
        for i in range(1, 20):
            answers += [world.send(100 * i + j) for j in range(10)]
            ids = ["a", "b"]
            await world.router.apply(
                plan(*(route(s, [f"{x}{i}"], batch=i) for s, x in zip(("one", "two"), ids, strict=True)))
            )
        results = [first(answer) for answer in await asyncio.gather(*answers)]
        sent = [100 * i + j for i in range(1, 20) for j in range(10)]
        assert results == [[4.0 * value] for value in sent]
        worked = [v for name, r in world.replicas.items() if name[0] == "a" for call in r.calls for v in call]
        assert sorted(worked) == sent
        await world.close()

    asyncio.run(story())
