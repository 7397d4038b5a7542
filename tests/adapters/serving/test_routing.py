from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.adapters.serving.routing import (
    RoutedReplica,
    missing,
    p99_s,
    router_plan,
    wanted_ids,
)
from ipa.diff import Step
from ipa.domain import Allocation, Measurement
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
