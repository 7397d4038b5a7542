"""The line of stages and the swap of plans, against replicas that answer when told to."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.dataplane import router as router_module
from ipa.dataplane.graph import Node
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.router import Drain
from ipa.dataplane.tensors import Array, Tensors, TensorSpec
from ipa.domain import When
from ipa.errors import ServingError, Unavailable
from tests.dataplane.fakes import FakeWorld, doubling, first, plan, route, rows, settle


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
        with pytest.raises(ServingError, match="stage 'two' takes 'other', but "):
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
                    "batch_wait_s": 0.0,
                    "p99_s": None,
                    "queue_length": 2,
                    "replicas": [replica | {"in_flight": 1, "up": True, "down_s": None, "fault": ""}],
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


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(1, 3)),
            st.tuples(st.just("poison"), st.just(1)),
            st.tuples(st.just("leave"), st.integers(0, 50)),
            st.tuples(st.just("fault"), st.integers(0, 4)),
            st.tuples(st.just("route"), st.integers(1, 30)),
            st.tuples(st.just("wait"), st.integers(0, 30)),
        ),
        max_size=40,
    ),
    st.sampled_from([0.0, 0.001]),
    st.integers(1, 2),
)
def test_whatever_happens_every_request_gets_its_own_answer_or_a_reason_once(
    events: list[tuple[str, int]], batch_wait_s: float, in_flight: int
) -> None:
    """Two stages, five replicas each; replicas fail, plans change, clients leave, some requests are poison."""

    async def story() -> None:
        world = FakeWorld(["one", "two"], queue_limit=8, batch_wait_s=batch_wait_s, in_flight=in_flight)
        ids = {stage: [f"{stage}{i}" for i in range(5)] for stage in ("one", "two")}
        for name in (name for names in ids.values() for name in names):
            world.replica(name).fails = lambda values: any(value >= 1e6 for value in values)
            world.open(name)
        sent: list[tuple[list[float], asyncio.Task[object]]] = []
        changes: list[asyncio.Task[Drain]] = []
        await world.router.apply(plan(*(route(stage, names[:2]) for stage, names in ids.items())))
        for number, (event, value) in enumerate(events):
            if event in ("send", "poison"):
                values = [1e6 if event == "poison" else 10.0 * number + i for i in range(value)]
                sent.append((values, world.send(*values)))
            elif event == "leave" and sent:
                sent[value % len(sent)][1].cancel()
            elif event == "fault":
                world.replica(f"{'one' if value % 2 else 'two'}{value}").faults.append(Unavailable("gone"))
            elif event == "route":  # the bits of `value` are who serves
                chosen = {s: [n for i, n in enumerate(names) if value >> i & 1] for s, names in ids.items()}
                wanted = plan(*(route(s, names, 1 + value % 4) for s, names in chosen.items()))
                changes.append(asyncio.create_task(world.router.apply(wanted)))
                await asyncio.sleep(0)
            else:
                world.clock.now_s += value / 10
                await settle()
        while not all(task.done() for _, task in sent):
            assert not world.crashes
            world.clock.now_s += 0.002  # time goes on, or a batch that is not full would wait for ever
            await asyncio.sleep(0.0005)
        answers = await asyncio.gather(*(task for _, task in sent), return_exceptions=True)
        await asyncio.gather(*changes)
        for (values, _), answer in zip(sent, answers, strict=True):
            if isinstance(answer, asyncio.CancelledError):
                continue
            if values[0] >= 1e6:
                assert isinstance(answer, Refusal)
            elif not isinstance(answer, Refusal):
                assert first(answer) == [4 * value for value in values]
        assert [stage.queue_length for stage in world.router.stages] == [0, 0]
        assert not any(replica.in_flight for stage in world.router.stages for replica in stage.replicas)
        await world.close()

    asyncio.run(story())


# --- graphs ----------------------------------------------------------------------------------------------------


def specs(*names: str) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, "FP32", (-1, 2)) for name in names)


def diamond_world() -> FakeWorld:
    """a: x → y = 2x; b: y → l = y + 1; c: y → r = y + 2; d: l, r → z = l · r. Their replicas: ra, rb, rc, rd."""
    world = FakeWorld([Node("a"), Node("b", ("a",)), Node("c", ("a",)), Node("d", ("b", "c"))])
    made: dict[str, tuple[tuple[str, ...], str, object]] = {
        "ra": (("x",), "y", lambda t: t["x"] * 2),
        "rb": (("y",), "l", lambda t: t["y"] + 1),
        "rc": (("y",), "r", lambda t: t["y"] + 2),
        "rd": (("l", "r"), "z", lambda t: t["l"] * t["r"]),
    }
    for name, (takes, returns, function) in made.items():
        _give(world, name, takes, returns, function)
    return world


def _give(world: FakeWorld, name: str, takes: tuple[str, ...], returns: str, function: object) -> None:
    world.models[name] = ModelMetadata(name, specs(*takes), specs(returns))

    def compute(inputs: Tensors) -> dict[str, Array]:
        assert set(inputs) == set(takes)
        return {returns: function(inputs)}  # type: ignore[operator]

    world.replica(name).compute = compute


DIAMOND = plan(route("a", ["ra"]), route("b", ["rb"]), route("c", ["rc"]), route("d", ["rd"]))


def test_a_diamond_forks_and_joins() -> None:
    async def story() -> None:
        world = diamond_world()
        world.open("ra", "rb", "rc", "rd")
        await world.router.apply(DIAMOND)
        assert world.router.model == ModelMetadata("pipe", specs("x"), specs("z"))
        results = await asyncio.gather(*(world.send(value, value + 1) for value in range(20)))
        for value, answer in enumerate(results):
            assert isinstance(answer, dict) and list(answer) == ["z"]
            assert answer["z"][:, 0].tolist() == [(2 * v + 1) * (2 * v + 2) for v in (value, value + 1)]
        await world.close()

    asyncio.run(story())


def test_a_refusal_in_one_arm_frees_the_place_in_the_other() -> None:
    async def story() -> None:
        world = diamond_world()
        world.open("ra", "rb")
        await world.router.apply(DIAMOND)
        world.replica("rb").fails = lambda values: 5.0 * 2 in values
        held = world.send(1)
        await settle()
        refused, waits = world.send(5), world.send(2)
        await settle()
        assert isinstance(await refused, Refusal)
        assert world.router.stages[2].queue_length == 1, "the one that was not refused"
        world.open("rc", "rd")
        assert [isinstance(answer, dict) for answer in await asyncio.gather(held, waits)] == [True, True]
        assert world.replica("rc").calls == [[2], [4]]
        await world.close()

    asyncio.run(story())


def test_a_client_that_leaves_frees_its_places_in_both_arms() -> None:
    async def story() -> None:
        world = diamond_world()
        world.open("ra")
        await world.router.apply(DIAMOND)
        held, leaves = world.send(1), world.send(2)
        await settle()
        assert [stage.queue_length for stage in world.router.stages] == [0, 1, 1, 0]
        leaves.cancel()
        await settle()
        assert [stage.queue_length for stage in world.router.stages] == [0, 0, 0, 0]
        world.open("rb", "rc", "rd")
        assert isinstance(await held, dict)
        await world.close()

    asyncio.run(story())


def test_each_request_takes_its_own_branch_and_the_join_takes_what_there_is() -> None:
    async def story() -> None:
        nodes = [
            Node("a"),
            Node("small", ("a",), When("k", 0)),
            Node("large", ("a",), When("k", 1)),
            Node("join", ("small", "large")),
        ]
        world = FakeWorld(nodes)
        key = TensorSpec("k", "INT64", (-1,))
        world.models["ra"] = ModelMetadata("ra", specs("x"), (*specs("y"), key))
        world.replica("ra").compute = lambda t: {"y": t["x"], "k": (t["x"][:, 0] > 9).astype(np.int64)}
        _give(world, "rs", ("y",), "z", lambda t: t["y"] + 100)
        _give(world, "rl", ("y",), "z", lambda t: t["y"] + 200)
        _give(world, "rj", ("z",), "o", lambda t: t["z"] * 2)
        world.open("ra", "rs", "rl", "rj")
        routes = [route(node.name, [name]) for node, name in zip(nodes, ("ra", "rs", "rl", "rj"), strict=True)]
        await world.router.apply(plan(*routes))
        requests = [(1.0,), (11.0,), (2.0, 3.0), (12.0, 1.0), (20.0, 30.0)]
        results = await asyncio.gather(*(world.send(*values) for values in requests))
        got = [{n: t.reshape(len(t), -1)[:, 0].tolist() for n, t in r.items()} for r in results if isinstance(r, dict)]
        assert got == [
            {"o": [202.0]},
            {"o": [422.0]},
            {"o": [204.0, 206.0]},
            {"y": [12.0, 1.0], "k": [1, 0]},
            {"o": [440.0, 460.0]},
        ]
        assert sum(map(len, world.replica("rs").calls)) == 3, "a branch that is not taken costs no work"
        await world.router.apply(plan(routes[0], route("small", []), *routes[2:]))
        assert isinstance(await world.send(11.0), dict), "a dead branch stops only those who take it"
        assert isinstance(await world.send(1.0), Refusal)
        await world.close()

    asyncio.run(story())


def test_while_a_plan_changes_the_tensors_a_request_under_way_is_refused_not_lost() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two"])
        world.models |= {name: ModelMetadata(name, specs("x"), specs("v")) for name in ("new1",)}
        world.models |= {"new2": ModelMetadata("new2", specs("v"), specs("x"))}
        await world.router.apply(plan(route("one", ["old1"]), route("two", ["old2"])))
        answer = asyncio.create_task(world.router.answer(rows(1), 1, world.clock.now_s))
        await settle()
        change = asyncio.create_task(world.router.apply(plan(route("one", ["new1"]), route("two", ["new2"]))))
        await settle()
        world.open("old1", "new2")
        refused = await answer
        assert isinstance(refused, Refusal) and "takes 'v', which no stage before it returned" in refused.message
        await change
        await world.close()

    asyncio.run(story())
