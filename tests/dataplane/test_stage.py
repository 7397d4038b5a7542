"""Dispatch against replicas that answer when told to: who gets what, when, and what becomes of a fault."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from ipa.dataplane import stage as stage_module
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import Array, TensorSpec
from ipa.errors import ServingError, Unavailable
from tests.dataplane.fakes import FakeWorld, first, plan, route, rows, settle


def reason(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.reason


def test_a_lone_request_goes_at_once_and_the_rest_forms_a_batch() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a"], batch=3)))
        answers = [world.send(float(i)) for i in range(6)]
        await settle()
        assert world.replica("a").calls == [[0.0]], "a free replica takes what is there"
        world.open("a")
        assert [first(answer) for answer in await asyncio.gather(*answers)] == [[2.0 * i] for i in range(6)]
        assert world.replica("a").calls == [[0.0], [1.0, 2.0, 3.0], [4.0, 5.0]]
        await world.close()

    asyncio.run(story())


def test_rows_count_and_a_request_is_never_split() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a"], batch=4)))
        answers = [world.send(0), world.send(1, 2, 3), world.send(4, 5), world.send(6, 7, 8, 9, 10)]
        await settle()
        world.open("a")
        results = await asyncio.gather(*answers)
        assert world.replica("a").calls == [[0], [1, 2, 3], [4, 5], [6, 7, 8, 9, 10]]
        assert first(results[3]) == [12, 14, 16, 18, 20]
        await world.close()

    asyncio.run(story())


@pytest.mark.parametrize(("in_flight", "expected"), [(1, [1, 1]), (2, [2, 2])])
def test_the_least_loaded_replica_is_first_up_to_in_flight_batches(in_flight: int, expected: list[int]) -> None:
    async def story() -> None:
        world = FakeWorld(in_flight=in_flight)
        await world.router.apply(plan(route("one", ["a", "b"], batch=1)))
        answers = []
        for i in range(5):
            answers.append(world.send(i))
            await settle()
            held = [world.replica(name).held for name in "ab"]
            assert max(held) - min(held) <= 1
        assert [world.replica(name).held for name in "ab"] == expected
        world.open("a", "b")
        await asyncio.gather(*answers)
        await world.close()

    asyncio.run(story())


def test_who_is_too_old_at_dispatch_is_dropped_before_work_is_spent() -> None:
    async def story() -> None:
        world = FakeWorld(drop_after_s=10.0)
        await world.router.apply(plan(route("one", ["a"], batch=8, remaining_s=2.0)))
        busy, old, young = world.send(0), world.send(1, age_s=5.0), world.send(2)
        await settle()
        world.clock.now_s += 4.0
        world.open("a")
        dropped = await old
        assert isinstance(dropped, Refusal)
        assert (dropped.status, dropped.reason) == (504, "deadline")
        assert dropped.headers == {"X-Ipa-Drop": "deadline", "Retry-After": "1"}
        assert (first(await busy), first(await young)) == ([0], [4])
        assert world.replica("a").calls == [[0], [2]]
        await world.close()

    asyncio.run(story())


def test_the_age_counts_from_receipt_in_every_stage() -> None:
    async def story() -> None:
        world = FakeWorld(["one", "two"], drop_after_s=10.0)
        await world.router.apply(plan(route("one", ["a"], remaining_s=3.0), route("two", ["b"], remaining_s=2.0)))
        answer = world.send(1)
        await settle()
        world.clock.now_s += 8.5
        world.open("a", "b")
        assert reason(await answer) == "deadline"
        assert world.replica("b").calls == []
        await world.close()

    asyncio.run(story())


def test_a_full_queue_refuses_with_retry_after() -> None:
    async def story() -> None:
        world = FakeWorld(queue_limit=2)
        await world.router.apply(plan(route("one", ["a"], batch=1)))
        answers = [world.send(i) for i in range(4)]
        await settle()
        refused = await answers[3]
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.headers) == (503, {"X-Ipa-Drop": "queue-full", "Retry-After": "1"})
        world.open("a")
        assert [first(answer) for answer in await asyncio.gather(*answers[:3])] == [[0], [2], [4]]
        await world.close()

    asyncio.run(story())


def test_a_client_that_leaves_frees_its_place_and_costs_no_work() -> None:
    async def story() -> None:
        world = FakeWorld(queue_limit=1)
        await world.router.apply(plan(route("one", ["a"], batch=1)))
        busy, leaving = world.send(0), world.send(1)
        await settle()
        leaving.cancel()
        await settle()
        assert world.router.stages[0].queue_length == 0
        staying = world.send(2)
        await settle()
        busy.cancel()  # its batch is at the replica; the answer is thrown away
        world.open("a")
        assert first(await staying) == [4]
        assert world.replica("a").calls == [[0], [2]]
        await world.close()

    asyncio.run(story())


@pytest.mark.parametrize("fault", [Unavailable("gone"), ServingError("nonsense")])
def test_a_failed_batch_goes_once_to_another_replica_at_the_head(fault: Exception) -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a", "b"], batch=2)))
        world.replica("a").faults.append(fault)
        answers = [world.send(i) for i in range(4)]
        await settle()
        assert [world.replica(name).calls for name in "ab"] == [[[0]], [[1]]]
        world.open("a")
        await settle()
        world.open("b")
        assert [first(answer) for answer in await asyncio.gather(*answers)] == [[0], [2], [4], [6]]
        assert world.replica("a").calls == [[0]], "out of dispatch until it is probed"
        assert world.replica("b").calls == [[1], [0, 2], [3]]
        await world.close()

    asyncio.run(story())


def test_the_second_failure_is_an_error_that_names_the_cause() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a", "b", "c"])))
        world.replica("a").faults.append(Unavailable("first cause"))
        world.replica("b").faults.append(Unavailable("second cause"))
        world.open("a", "b", "c")
        refused = await world.send(1)
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.reason, refused.headers) == (502, "failed", {})
        assert "second cause" in refused.message
        assert first(await world.send(2)) == [4], "the third replica is not touched"
        await world.close()

    asyncio.run(story())


def test_without_a_live_replica_all_who_wait_are_refused_at_once() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a"], batch=1)))
        world.replica("a").faults.append(Unavailable("gone"))
        answers = [world.send(i) for i in range(3)]
        await settle()
        world.open("a")
        assert [reason(answer) for answer in await asyncio.gather(*answers)] == ["unavailable"] * 3
        assert reason(await world.send(9)) == "unavailable"
        assert not world.router.ready
        await world.close()

    asyncio.run(story())


def test_a_fallen_replica_is_probed_until_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "PROBE_FIRST_S", 0.001)

    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a"])))
        fallen = world.replica("a")
        fallen.faults.append(Unavailable("gone"))
        fallen.is_ready = False
        world.open("a")
        assert reason(await world.send(1)) == "unavailable"
        await asyncio.sleep(0.02)
        assert not world.router.ready
        fallen.is_ready = True
        while not world.router.ready:
            await asyncio.sleep(0.001)
        assert first(await world.send(2)) == [4]
        await world.close()

    asyncio.run(story())


def test_requests_of_two_shapes_are_not_merged() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a"], batch=8)))
        wide = {"x": rows(7)["x"].repeat(2, axis=1)}
        answers = [world.send(0), world.send(1)]
        await settle()
        answers.append(asyncio.create_task(world.router.answer(wide, 1, world.clock.now_s)))
        answers.append(world.send(2))
        await settle()
        world.open("a")
        await asyncio.gather(*answers)
        assert world.replica("a").calls == [[0], [1], [7], [2]]
        await world.close()

    asyncio.run(story())


# --- a request's fault, or the replica's ---------------------------------------------------------------------


def poisoned(values: list[float]) -> bool:
    return 13.0 in values


def failed(answer: object) -> bool:
    return isinstance(answer, Refusal) and (answer.status, answer.reason) == (500, "failed")


def test_a_request_the_model_fails_on_fails_alone_and_takes_no_replica_out() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a", "b"], batch=4)))
        for name in "ab":
            world.replica(name).fails = poisoned
        answers = [world.send(value) for value in (0, 1, 2, 13, 4, 5)]
        await settle()
        assert [world.replica(name).calls for name in "ab"] == [[[0]], [[1]]]
        world.open("a", "b")
        results = await asyncio.gather(*answers)
        assert failed(results.pop(3))
        assert [first(answer) for answer in results] == [[0], [2], [4], [8], [10]]
        assert all(replica.up and not replica.failures for replica in world.router.stages[0].replicas)
        merged, alone = (calls for name in "ab" if (calls := world.replica(name).calls[1:]))
        assert merged == [[2, 13, 4, 5]]
        assert alone == [[2], [13], [4], [5]], "one by one, and on the other replica"
        await world.close()

    asyncio.run(story())


def test_with_one_replica_the_members_of_a_failed_batch_are_tried_there_and_a_lone_request_is_not() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["a"], batch=2)))
        world.replica("a").fails = poisoned
        answers = [world.send(value) for value in (0, 1, 13)]
        await settle()
        world.open("a")
        results = await asyncio.gather(*answers)
        assert [failed(answer) for answer in results] == [False, False, True]
        assert failed(await world.send(13))
        assert world.replica("a").calls == [[0], [1, 13], [1], [13], [13]]
        assert world.router.ready
        await world.close()

    asyncio.run(story())


def test_a_replica_that_fails_on_what_another_answers_is_out() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["bad", "good"], batch=2)))
        world.replica("bad").fails = lambda values: True
        world.open("bad", "good")
        assert first(await world.send(1)) == [2]
        bad, good = world.router.stages[0].replicas
        assert (bad.up, good.up) == (False, True)
        assert "what other replicas answer" in bad.fault
        assert [first(answer) for answer in await asyncio.gather(*map(world.send, (2, 3, 4)))] == [[4], [6], [8]]
        assert world.replica("bad").calls == [[1]]
        await world.close()

    asyncio.run(story())


def test_a_batch_moved_by_a_dead_replica_is_still_told_from_its_guilty_member() -> None:
    async def story() -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["dead", "b"], batch=3)))
        world.replica("dead").faults += [Unavailable("gone")]
        world.replica("b").fails = poisoned
        answers = [world.send(value, 0.0) for value in (1, 2, 13)]
        await settle()
        world.open("dead", "b")
        assert [failed(answer) for answer in await asyncio.gather(*answers)] == [False, False, True]
        await world.close()

    asyncio.run(story())


def test_an_answer_that_is_not_what_the_metadata_promises_is_the_replicas_fault() -> None:
    wrong: list[dict[str, Array]] = [
        {},
        {"other": np.zeros((1, 2), np.float32)},
        {"x": np.zeros((1, 2), np.float64)},
        {"x": np.zeros((3, 2), np.float32)},
        {"x": np.zeros((), np.float32)},
    ]

    async def story(garbage: dict[str, Array]) -> None:
        world = FakeWorld()
        await world.router.apply(plan(route("one", ["liar", "b"])))
        world.replica("liar").compute = lambda inputs: garbage
        world.open("liar", "b")
        assert first(await world.send(1)) == [2]
        assert [replica.up for replica in world.router.stages[0].replicas] == [False, True]
        await world.close()

    for garbage in wrong:
        asyncio.run(story(garbage))


def test_a_call_may_last_three_times_what_was_profiled_and_longer_for_more_rows() -> None:
    async def story() -> None:
        world = FakeWorld()
        world.open("a")
        for p99_s, count, expected_s in ((None, 1, 30.0), (0.1, 1, 2.0), (4.0, 1, 12.0), (4.0, 8, 24.0)):
            await world.router.apply(plan(route("one", ["a"], batch=4, p99_s=p99_s)))
            await world.send(*range(count))
            assert world.replica("a").timeouts_s[-1] == expected_s
        await world.close()

    asyncio.run(story())


def test_batches_that_a_replica_works_on_at_once_may_last_longer() -> None:
    async def story() -> None:
        world = FakeWorld(in_flight=2)
        await world.router.apply(plan(route("one", ["a"], batch=1, p99_s=4.0)))
        answers = [world.send(1), world.send(2)]
        await settle()
        assert world.replica("a").timeouts_s == [24.0, 24.0]
        world.open("a")
        await asyncio.gather(*answers)
        await world.close()

    asyncio.run(story())


# --- full batches --------------------------------------------------------------------------------------------


def test_a_full_batch_goes_at_once_and_another_after_its_wait() -> None:
    async def story() -> None:
        world = FakeWorld(batch_wait_s=0.01)
        world.open("a", "b")
        await world.router.apply(plan(route("one", ["a", "b"], batch=2)))
        answers = [world.send(value) for value in (0, 1, 2)]
        await settle()
        assert world.replica("a").calls + world.replica("b").calls == [[0, 1]]
        world.clock.now_s += 0.01
        assert [first(answer) for answer in await asyncio.gather(*answers)] == [[0], [2], [4]]
        assert sorted(world.replica("a").calls + world.replica("b").calls) == [[0, 1], [2]]
        await world.close()

    asyncio.run(story())


def test_a_plan_changes_batch_and_batching_of_those_who_wait() -> None:
    async def story() -> None:
        world = FakeWorld(batch_wait_s=60.0, drop_after_s=1000.0)
        world.open("a")
        await world.router.apply(plan(route("one", ["a"], batch=8)))
        answers = [world.send(value) for value in (0, 1, 2)]
        await settle()
        assert world.replica("a").calls == []
        await world.router.apply(plan(route("one", ["a"], batch=2)))
        await settle()
        assert world.replica("a").calls == [[0, 1]]
        await world.router.apply(plan(route("one", ["a"], batch=2, batch_wait_s=0.0)))
        assert [first(answer) for answer in await asyncio.gather(*answers)] == [[0], [2], [4]]
        await world.close()

    asyncio.run(story())


def test_a_model_for_a_fixed_number_of_rows_gets_each_request_alone() -> None:
    async def story() -> None:
        world = FakeWorld(batch_wait_s=60.0)
        fixed = TensorSpec("x", "FP32", (1, 2))
        world.models["a"] = ModelMetadata("one-by-one", (fixed,), (fixed,))
        world.open("a")
        await world.router.apply(plan(route("one", ["a"], batch=8)))
        await asyncio.gather(*(world.send(value) for value in (0, 1, 2)))
        assert world.replica("a").calls == [[0], [1], [2]]
        await world.close()

    asyncio.run(story())
