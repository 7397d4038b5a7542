from __future__ import annotations

from typing import Any

import orjson
import pytest

from ipa.dataplane.plan import PlanError, ReplicaSpec, RoutePlan, StageRoute, parse_plan

REPLICA = {"id": "a", "address": "127.0.0.1:9000", "model": "m", "variant": "v"}


def stage(**changes: Any) -> dict[str, Any]:
    return {"stage": "one", "batch": 4, "remaining_s": 0.5, "replicas": [REPLICA]} | changes


def document(*stages: Any) -> bytes:
    return orjson.dumps({"stages": stages})


def test_a_plan_is_read() -> None:
    assert parse_plan(document(stage()), ["one"]) == RoutePlan(
        (StageRoute("one", 4, 0.5, (ReplicaSpec("a", "127.0.0.1:9000", "m", "v"),)),)
    )


def test_a_stage_may_have_no_replica_for_a_while() -> None:
    assert parse_plan(document(stage(replicas=[])), ["one"]).stages[0].replicas == ()


@pytest.mark.parametrize(
    ("fields", "batch_wait_s", "p99_s"),
    [
        ({}, None, None),
        ({"batching": None, "p99_s": None}, None, None),
        ({"batching": "greedy", "batch_wait_s": 3}, 0.0, None),
        ({"batching": "full", "batch_wait_s": 3}, 3.0, None),
        ({"p99_s": 0.25}, None, 0.25),
    ],
)
def test_a_plan_may_change_the_batching_and_tell_what_a_batch_takes(
    fields: dict[str, Any], batch_wait_s: float | None, p99_s: float | None
) -> None:
    route = parse_plan(document(stage(**fields)), ["one"]).stages[0]
    assert (route.batch_wait_s, route.p99_s) == (batch_wait_s, p99_s)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "plan: must be an object"),
        (b"{}", "plan.stages: is missing"),
        (document(), r"stages \[\] where the pipeline has \['one'\]"),
        (document(stage(), stage()), "where the pipeline has"),
        (document(3), r"stages\[0\]: must be an object"),
        (document(stage(batch=0)), r"stages\[0\].batch: 0 must be at least 1"),
        (document(stage(batch=True)), r"stages\[0\].batch: must be int"),
        (document(stage(batch=1.5)), r"stages\[0\].batch: must be int"),
        (document(stage(remaining_s=-1)), "remaining_s: -1.0 must be at least 0"),
        (document(stage(remaining_s="1")), "remaining_s: must be int | float"),
        (document(stage(batching="half")), r"stages\[0\].batching: 'half' must be greedy or full"),
        (document(stage(batching=["full"])), "must be greedy or full"),
        (document(stage(batching="full")), r"stages\[0\].batch_wait_s: is missing"),
        (document(stage(batching="full", batch_wait_s=-1)), "batch_wait_s: -1.0 must be at least 0"),
        (document(stage(p99_s="1")), "p99_s: must be int | float"),
        (document(stage(p99_s=-1)), "p99_s: -1.0 must be at least 0"),
        (document(stage(replicas=[{}])), r"stages\[0\].replicas\[0\].id: is missing"),
        (document(stage(replicas=[REPLICA | {"address": "host"}])), "'host' must be HOST:PORT"),
        (document(stage(replicas=[REPLICA | {"address": "host:65536"}])), "a port from 1 to 65535"),
        (document(stage(replicas=[REPLICA | {"address": "host:0"}])), "a port from 1 to 65535"),
        (document(stage(replicas=[REPLICA, REPLICA])), "replica id 'a' is given twice"),
    ],
)
def test_a_broken_plan_is_refused_by_place_and_rule(sent: bytes, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        parse_plan(sent, ["one"])
