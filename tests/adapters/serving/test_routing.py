from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.adapters.serving.routing import (
    RoutedReplica,
    missing,
    p99_s,
    remaining_s,
    router_plan,
    service_time_s,
    wanted_ids,
)
from ipa.diff import Step
from ipa.domain import Allocation, Measurement, Stage
from tests.adapters.serving.tiny import config, measurement


def allocation(stage: str = "scale", variant: str = "by2", replicas: int = 1, batch: int = 1) -> Allocation:
    return Allocation(stage, variant, "cpu", 1, batch, replicas)


def target(*servers: Allocation) -> Step:
    return Step(servers[0].stage, servers[0].batch, servers)


def replica(name: str, stage: str = "scale", variant: str = "by2") -> RoutedReplica:
    return RoutedReplica(name, stage, (variant, "cpu", 1), f"127.0.0.1:{len(name)}")


def test_the_router_gets_every_stage_in_order_with_its_replicas(tmp_path: Path) -> None:
    pipeline = config(tmp_path).pipeline
    targets = {"scale": target(allocation(batch=4)), "shift": target(allocation("shift", "plus1"))}
    document = router_plan(pipeline, targets, [replica("a"), replica("b", "shift", "plus1"), replica("c")])
    assert document == {
        "stages": [
            {
                "stage": "scale",
                "batch": 4,
                "remaining_s": 0.002,
                "p99_s": 0.004,
                "replicas": [
                    {"id": "a", "address": "127.0.0.1:1", "model": "by2", "variant": "by2"},
                    {"id": "c", "address": "127.0.0.1:1", "model": "by2", "variant": "by2"},
                ],
            },
            {
                "stage": "shift",
                "batch": 1,
                "remaining_s": 0.001,
                "p99_s": 0.001,
                "replicas": [{"id": "b", "address": "127.0.0.1:1", "model": "plus1", "variant": "plus1"}],
            },
        ]
    }


def test_while_two_variants_share_a_stage_the_faster_one_counts(tmp_path: Path) -> None:
    pipeline = replace(
        config(tmp_path).pipeline,
        measurements=(
            measurement("scale", "by2", 1, 0.010),
            measurement("scale", "by3", 1, 0.030),
            measurement("shift", "plus1", 1, 0.100),
        ),
    )
    targets = {
        "scale": target(allocation(), allocation(variant="by3")),
        "shift": target(allocation("shift", "plus1")),
    }
    assert remaining_s(pipeline, targets) == pytest.approx({"scale": 0.110, "shift": 0.100})


def test_the_slowest_path_behind_a_fork_counts(tmp_path: Path) -> None:
    after = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    latency_s = {"a": 1.0, "b": 2.0, "c": 5.0, "d": 0.5}
    pipeline = replace(
        config(tmp_path).pipeline,
        stages=tuple(Stage(name, (), ("cpu",), before) for name, before in after.items()),
        measurements=tuple(measurement(name, "v", 1, seconds) for name, seconds in latency_s.items()),
    )
    targets = {name: target(allocation(name, "v")) for name in after}
    assert remaining_s(pipeline, targets) == {"a": 6.5, "b": 2.5, "c": 5.5, "d": 0.5}


@pytest.mark.parametrize(
    ("batches", "batch", "expected_s", "why"),
    [
        ((1, 4, 8), 4, 0.4, "as measured at that batch"),
        ((1, 4, 8), 5, 0.8, "at the next larger"),
        ((1, 4), 16, 1.6, "beyond the largest in proportion"),
        ((), 1, None, "nobody measured"),
    ],
)
def test_what_a_batch_takes_by_the_profile(
    batches: tuple[int, ...], batch: int, expected_s: float | None, why: str
) -> None:
    rows = [measurement("scale", "by2", size, 0.1 * size) for size in batches]
    assert p99_s(rows, target(allocation(batch=batch))) == pytest.approx(expected_s), why


def test_of_two_servers_the_slower_one_counts_and_one_that_nobody_measured_makes_it_unknown() -> None:
    rows = [measurement("scale", "by2", 1, 0.1), measurement("scale", "by3", 1, 0.7)]
    assert p99_s(rows, target(allocation(), allocation(variant="by3"))) == 0.7
    assert p99_s(rows, target(allocation(), allocation(variant="by4"))) is None
    bare = [Measurement("scale", "by2", "cpu", 1, 1, 0.1)]
    assert p99_s(bare, target(allocation())) == 0.1, "the mean where there are no quantiles"


def test_a_stage_without_servers_needs_no_time(tmp_path: Path) -> None:
    targets = {"scale": Step("scale", 1, ()), "shift": target(allocation("shift", "plus1"))}
    assert remaining_s(config(tmp_path).pipeline, targets) == pytest.approx({"scale": 0.001, "shift": 0.001})


@pytest.mark.parametrize(
    ("batches", "expected_s"),
    [
        pytest.param((1, 2), 0.001, id="batch 1 where it was measured"),
        pytest.param((8, 4), 0.004, id="else the smallest batch"),
        pytest.param((), 0.0, id="nothing where nobody measured"),
    ],
)
def test_the_service_time_of_one_request(batches: tuple[int, ...], expected_s: float) -> None:
    rows = [measurement("scale", "by2", batch, 0.001 * batch) for batch in batches]
    others = [measurement("scale", "by3", 1, 9.0), measurement("shift", "by2", 1, 9.0)]
    assert service_time_s([*others, *rows], allocation()) == expected_s


@given(
    running=st.lists(st.sampled_from(["by2", "by3", "old"]), max_size=8),
    by2=st.integers(0, 4),
    by3=st.integers(0, 4),
)
def test_after_starting_the_missing_and_stopping_the_surplus_the_target_holds(
    running: list[str], by2: int, by3: int
) -> None:
    servers = tuple(allocation(variant=name, replicas=count) for name, count in (("by2", by2), ("by3", by3)) if count)
    step = Step("scale", 1, servers)
    replicas = [replica(str(i), variant=variant) for i, variant in enumerate(running)]
    kept = [r.server[0] for r in replicas if r.id in wanted_ids(step, replicas)]
    started = [a.variant for a in missing(step, replicas) for _ in range(a.replicas)]
    assert sorted(kept + started) == ["by2"] * by2 + ["by3"] * by3


def test_the_longest_running_stay() -> None:
    assert wanted_ids(target(allocation()), [replica("old"), replica("new")]) == {"old"}
