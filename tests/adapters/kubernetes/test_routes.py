"""Endpoints, pods and the plan of record → a route plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.kubernetes.endpoints import Endpoint, Served
from ipa.adapters.kubernetes.routes import NO_PLAN, Followed, followed, route_plan
from ipa.dataplane.plan import RoutePlan
from ipa.domain import Allocation, Measurement, Pipeline, Slo, Stage, Variant
from ipa.errors import ServingError

SMALL, LARGE, LARGER = Served("small", "cpu", 1), Served("large", "cpu", 2), Served("large", "cpu", 4)
KINDS = {"s": SMALL, "l": LARGE, "L": LARGER}


def measured(stage: str, kind: Served, batch: int, mean_s: float) -> Measurement:
    return Measurement(stage, kind.variant, kind.hardware, kind.cores, batch, mean_s, latency_p99_s=2 * mean_s)


PIPELINE = Pipeline(
    "pipe",
    tuple(
        Stage(name, (Variant("small", 0.8), Variant("large", 0.9)), ("cpu",), after)
        for name, after in (("one", ()), ("two", ("one",)))
    ),
    Slo(1.0, 2.0),
    measurements=tuple(
        measured(stage, kind, batch, mean_s * batch)
        for stage in ("one", "two")
        for kind, mean_s in ((SMALL, 0.1), (LARGE, 0.2), (LARGER, 0.05))
        for batch in (1, 4)
    ),
)


def allocation(stage: str, kind: Served, batch: int = 4) -> Allocation:
    return Allocation(stage, *kind.server, batch, 1)


def seen(*pods: str) -> tuple[tuple[Endpoint, ...], dict[str, Served]]:
    """Pods called by stage, kind and number, as in one-s1; ending ones have a ! at the end."""
    found = tuple(Endpoint(p.split("-")[0], p.rstrip("!"), p.rstrip("!"), "h:1", p.endswith("!")) for p in pods)
    return found, {e.uid: KINDS[e.pod.split("-")[1][0]] for e in found}


def routed(plan: RoutePlan) -> dict[str, list[str]]:
    return {stage.stage: [replica.id for replica in stage.replicas] for stage in plan.stages}


def route(plan: Followed, *pods: str) -> RoutePlan:
    return route_plan(PIPELINE, plan, *seen(*pods))


PLAN = Followed(3, (allocation("one", SMALL), allocation("two", LARGE, 8)))


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(["one-s1", "one-s2", "two-l1"], {"one": ["one-s1", "one-s2"], "two": ["two-l1"]}, id="as planned"),
        pytest.param(
            ["one-s1", "one-l1", "two-l1"], {"one": ["one-s1"], "two": ["two-l1"]}, id="the planned kind alone"
        ),
        pytest.param(
            ["one-s1", "two-L1", "two-l1"], {"one": ["one-s1"], "two": ["two-l1"]}, id="cores are of the kind"
        ),
        pytest.param(
            ["one-l1", "one-L1", "two-l1"], {"one": ["one-l1", "one-L1"], "two": ["two-l1"]}, id="whatever is"
        ),
        pytest.param(["one-s1!", "one-s2", "two-l1"], {"one": ["one-s2"], "two": ["two-l1"]}, id="who ends has left"),
        pytest.param(
            ["one-s1!", "one-l1", "two-l1"], {"one": ["one-l1"], "two": ["two-l1"]}, id="another before an end"
        ),
        pytest.param(["one-l1!", "one-s1!", "two-l1"], {"one": ["one-s1"], "two": ["two-l1"]}, id="before nothing"),
        pytest.param(["two-l1"], {"one": [], "two": ["two-l1"]}, id="nothing there"),
    ],
)
def test_who_serves(pods: list[str], expected: dict[str, list[str]]) -> None:
    assert routed(route(PLAN, *pods)) == expected


def test_batches_times_and_revision_are_the_plans() -> None:
    """two: the mean at batch 1 is 0.2 s, the 99th percentile at the planned 8 that of 4, in proportion."""
    plan = route(PLAN, "one-s1", "two-l1")
    one, two = plan.stages
    assert (plan.revision, one.batch, two.batch) == (3, 4, 8)
    assert (one.remaining_s, two.remaining_s) == pytest.approx((0.3, 0.2))
    assert (one.p99_s, two.p99_s) == pytest.approx((0.8, 3.2))
    assert (one.replicas[0].address, one.replicas[0].model, one.replicas[0].variant) == ("h:1", "small", "small")


def test_times_are_of_who_serves_in_place_of_the_plan() -> None:
    one, _ = route(PLAN, "one-L1", "two-l1").stages
    assert (one.remaining_s, one.p99_s) == pytest.approx((0.25, 0.4))


def test_while_a_change_lasts_all_rows_of_a_stage_serve() -> None:
    plan = Followed(4, (allocation("one", SMALL, 2), allocation("one", LARGE, 4), allocation("two", LARGE)))
    both = route(plan, "one-s1", "one-l1", "one-L1", "two-l1")
    assert routed(both)["one"] == ["one-s1", "one-l1"]
    assert both.stages[0].batch == 2


def test_before_the_first_plan_whatever_is_ready_serves_one_by_one() -> None:
    plan = route(NO_PLAN, "one-s1", "one-l1", "two-l1")
    assert routed(plan) == {"one": ["one-s1", "one-l1"], "two": ["two-l1"]}
    assert {stage.batch for stage in plan.stages} == {1}


def test_a_pod_of_which_nothing_is_known_does_not_serve_yet() -> None:
    found, pods = seen("one-s1", "one-s2", "two-l1")
    del pods["one-s2"]
    assert routed(route_plan(PIPELINE, PLAN, found, pods))["one"] == ["one-s1"]


PODS = st.sets(
    st.sampled_from(
        [f"{stage}-{kind}{i}{end}" for stage in ("one", "two") for kind in "slL" for i in "12" for end in ("", "!")]
    ),
    max_size=10,
)
ROWS = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.sampled_from([SMALL, LARGE, LARGER])), max_size=4)


@settings(deadline=None, max_examples=100)
@given(PODS, ROWS)
def test_a_stage_with_a_pod_that_answers_is_never_without_replica(
    pods: set[str], rows: list[tuple[str, Served]]
) -> None:
    pods = {pod for pod in pods if not (pod.endswith("!") and pod[:-1] in pods)}
    plan = routed(route(Followed(1, tuple(allocation(*row) for row in rows)), *sorted(pods)))
    for stage in ("one", "two"):
        ready = {pod for pod in pods if pod.startswith(stage) and not pod.endswith("!")}
        there = {pod.rstrip("!") for pod in pods if pod.startswith(stage)}
        planned = {pod for pod in ready if (stage, KINDS[pod.split("-")[1][0]]) in rows}
        assert set(plan[stage]) == planned if planned else set(plan[stage]) <= (ready or there)
        assert bool(plan[stage]) == bool(there)


# --- the plan of record ------------------------------------------------------------------------------------------

ROW = {"stage": "one", "variant": "small", "hardware": "cpu", "cores": 1, "batch": 4, "replicas": 1}


def config_map(document: Any) -> dict[str, Any]:
    return {"data": {"plan.json": document if isinstance(document, str) else json.dumps(document)}}


def test_the_plan_of_record_is_read() -> None:
    document = {"revision": 7, "at": "2026-01-01T00:00:00Z", "plan": [ROW, ROW | {"cores": 2}], "why": "", "good": True}
    rows = (Allocation("one", "small", "cpu", 1, 4, 1), Allocation("one", "small", "cpu", 2, 4, 1))
    assert followed(config_map(document)) == Followed(7, rows)


@pytest.mark.parametrize("nothing", [None, {}, {"data": None}, {"data": {}}, {"data": {"other": "x"}}])
def test_without_a_plan_there_is_none(nothing: Mapping[str, Any] | None) -> None:
    assert followed(nothing) == NO_PLAN


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "null",
        {"revision": 1},
        {"plan": [ROW]},
        {"revision": "x", "plan": []},
        {"revision": 1, "plan": [None]},
        {"revision": 1, "plan": [{"stage": "one"}]},
        *(
            {"revision": 1, "plan": [ROW | change]}
            for change in ({"batch": 0}, {"cores": 0.5}, {"replicas": -1}, {"batch": True})
        ),
    ],
)
def test_what_nobody_of_ipa_wrote_is_refused(document: Any) -> None:
    with pytest.raises(ServingError, match=r"plan\.json: not a plan"):
        followed(config_map(document))
