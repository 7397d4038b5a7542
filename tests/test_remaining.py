from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ipa.domain import Allocation, Stage
from ipa.remaining import remaining_s, service_time_s
from tests.adapters.serving.tiny import config, measurement


def allocation(stage: str = "scale", variant: str = "by2") -> Allocation:
    return Allocation(stage, variant, "cpu", 1, 1, 1)


def test_while_two_variants_share_a_stage_the_faster_one_counts(tmp_path: Path) -> None:
    pipeline = replace(
        config(tmp_path).pipeline,
        measurements=(
            measurement("scale", "by2", 1, 0.010),
            measurement("scale", "by3", 1, 0.030),
            measurement("shift", "plus1", 1, 0.100),
        ),
    )
    servers = {
        "scale": [allocation(), allocation(variant="by3")],
        "shift": [allocation("shift", "plus1")],
    }
    assert remaining_s(pipeline, servers) == pytest.approx({"scale": 0.110, "shift": 0.100})


def test_the_slowest_path_behind_a_fork_counts(tmp_path: Path) -> None:
    after = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    latency_s = {"a": 1.0, "b": 2.0, "c": 5.0, "d": 0.5}
    pipeline = replace(
        config(tmp_path).pipeline,
        stages=tuple(Stage(name, (), ("cpu",), before) for name, before in after.items()),
        measurements=tuple(measurement(name, "v", 1, seconds) for name, seconds in latency_s.items()),
    )
    servers = {name: [allocation(name, "v")] for name in after}
    assert remaining_s(pipeline, servers) == {"a": 6.5, "b": 2.5, "c": 5.5, "d": 0.5}


def test_a_stage_without_servers_needs_no_time(tmp_path: Path) -> None:
    servers = {"scale": [], "shift": [allocation("shift", "plus1")]}
    assert remaining_s(config(tmp_path).pipeline, servers) == pytest.approx({"scale": 0.001, "shift": 0.001})


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
