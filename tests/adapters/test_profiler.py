from __future__ import annotations

import asyncio
import csv
from itertools import cycle
from pathlib import Path

import pytest

from ipa.adapters import profiler
from ipa.adapters.files import load_config, load_config_unmeasured
from ipa.adapters.profile_scope import Job, Scope, check, jobs_of
from ipa.domain import Stage, Variant
from ipa.errors import ServingError
from ipa.latency.sampling import Sampled
from tests.adapters.tiny_pipeline import write_tiny_pipeline

JOB = Job(Stage("embed", (), ()), Variant("small", 0.5), 1, (4,))


class Silent:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.servers: list[tuple[str, str, int]] = []
        self.points: list[Sampled] = []

    def starting(self, stage: str, variant: str, cores: int) -> None:
        self.servers.append((stage, variant, cores))

    def measured(self, point: Sampled) -> None:
        self.points.append(point)


def measured(delays_s: list[float], max_seconds: float) -> tuple[Sampled, int]:
    """A point of a call that takes `delays_s` in turn, and how often it was called."""
    delay_s = cycle(delays_s)
    calls = 0

    async def run() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(next(delay_s))

    return asyncio.run(profiler._measure(run, JOB, 4, max_seconds, "measured@x")), calls


def test_a_point_counts_its_repeats_and_not_its_warm_up() -> None:
    point, calls = measured([0.005], max_seconds=60)
    m = point.measurement
    assert (m.stage, m.variant, m.hardware, m.cores, m.batch) == ("embed", "small", "cpu", 1, 4)
    assert m.requests is not None
    assert m.throughput_rps is not None
    assert m.requests % 4 == 0
    assert 30 <= m.requests // 4 <= calls - profiler.WARM_UP_RUNS
    assert m.latency_mean_s >= 0.005
    assert m.throughput_rps == pytest.approx(4 / m.latency_mean_s), "a closed loop: nothing between two calls"


def test_a_median_that_stays_unsure_gives_up() -> None:
    point, _ = measured([0.001, 0.030], max_seconds=2)
    assert not point.settled
    assert point.precision is not None
    assert point.precision > 0.05


def test_one_call_longer_than_the_time_is_still_a_point() -> None:
    point, calls = measured([0.3], max_seconds=0.1)
    assert not point.settled
    assert calls == 2, "one to warm up, one to measure"
    assert point.measurement.requests == 4


@pytest.mark.slow
def test_real_servers_are_profiled_stage_after_stage(tmp_path: Path) -> None:
    path = write_tiny_pipeline(tmp_path)
    config = load_config_unmeasured(path)
    jobs = jobs_of(config.pipeline, Scope())
    check(config, jobs)
    watcher = Silent()
    points = profiler.profile(config, jobs, 3.0, "measured@2026-01-31-test", watcher)

    assert watcher.servers == [("embed", "small", 1), ("embed", "large", 1), ("label", "only", 1)]
    assert tuple(watcher.points) == points
    rows = load_config(path).pipeline.measurements
    assert {(m.stage, m.variant, m.hardware, m.cores, m.batch) for m in rows} == {
        (stage, variant, "cpu", 1, batch)
        for stage, variant in (("embed", "small"), ("embed", "large"), ("label", "only"))
        for batch in (1, 2)
    }
    for m in rows:
        assert m.latency_p50_s is not None
        assert m.latency_p95_s is not None
        assert m.latency_p99_s is not None
        assert 0 < m.latency_p50_s <= m.latency_p95_s <= m.latency_p99_s
        assert m.requests is not None
        assert m.requests >= 30 * m.batch
        assert m.source == "measured@2026-01-31-test"
    check_variants(tmp_path / "profile" / "variants.csv")


def check_variants(path: Path) -> None:
    """Memory and load time are measured; every other cell and the order are as they were."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["stage"], r["variant"], r["accuracy"], r["source"], r["licence"]) for r in rows] == [
        ("embed", "small", "0.50", "by hand", "MIT"),
        ("embed", "large", "0.75", "by hand", ""),
        ("label", "only", "0.90", "by hand", "BSD"),
    ]
    for row in rows:
        assert float(row["memory_mb"]) > 20, "a Python process with ONNX Runtime"
        assert float(row["load_s"]) > 0


@pytest.mark.slow
def test_a_server_that_dies_at_start_is_named(tmp_path: Path) -> None:
    config = load_config_unmeasured(write_tiny_pipeline(tmp_path))
    (tmp_path / "models" / "embed" / "small.onnx").write_bytes(b"this is no model")
    jobs = jobs_of(config.pipeline, Scope(variant="small"))
    with pytest.raises(ServingError, match="embed/small"):
        profiler.profile(config, jobs, 3.0, "measured@x", Silent())
    assert not (tmp_path / "profile" / "measurements.csv").exists()
