"""Sleeping replicas as real processes: how long they take, and whole pipelines of them. Only lower bounds are timed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from ipa.adapters.serving.replica_process import ReplicaProcess, ReplicaSpec, start_replica
from ipa.adapters.serving.runtimes import RUNTIMES
from ipa.adapters.serving.servable import check_servable
from ipa.adapters.serving.sleep_runtime import SleepServer
from ipa.adapters.serving.sleep_tensors import Drawn, StageTensors
from ipa.adapters.serving.supervisor import Supervisor
from ipa.config.schema import RUNTIMES as NAMES
from ipa.dataplane.replica import ModelError, Replica
from ipa.domain import Allocation, Config, Measurement, Pipeline, Plan, ServingSettings, Slo, Stage, Variant, When
from ipa.errors import ServingError

PLAIN = StageTensors(("input",), "input", ())
# A call may be shorter by what the server took for the way there and back: on a busy machine some milliseconds.
WAY_S = 0.02


def config(stages: tuple[Stage, ...], latency_s: float = 0.02) -> Config:
    measurements = tuple(Measurement(s.name, "v", "cpu", 1, b, latency_s * b) for s in stages for b in (1, 4))
    pipeline = Pipeline("rest", stages, Slo(5.0, 10.0), measurements=measurements)
    return Config(pipeline, Path("profiles"), serving=ServingSettings("sleep"))


def stage(name: str, *after: str, visits: float = 1.0, when: When | None = None) -> Stage:
    return Stage(name, (Variant("v", 0.9),), ("cpu",), after, visits, when)


def plan(*stages: str) -> Plan:
    return Plan(tuple(Allocation(name, "v", "cpu", 1, 4, 1) for name in stages))


def test_a_config_may_name_every_runtime_there_is() -> None:
    assert tuple(RUNTIMES) == NAMES


def test_it_needs_no_models() -> None:
    check_servable(config((stage("a"), stage("b", "a"))), "rest.yaml")


def test_what_nobody_measured_cannot_be_slept() -> None:
    rest = config((stage("a"),))
    with pytest.raises(ServingError, match="a/v on cpu with 3 cores: nobody measured it"):
        RUNTIMES["sleep"].server(rest, replace(plan("a").allocations[0], cores=3))


def test_it_sleeps_the_mean_latency_of_the_variant_at_its_cores() -> None:
    rest = config((stage("a"),))
    more = (Measurement("a", "v", "cpu", 2, 1, 9.0), Measurement("a", "w", "cpu", 1, 1, 9.0))
    rest = replace(rest, pipeline=replace(rest.pipeline, measurements=rest.pipeline.measurements + more))
    server = RUNTIMES["sleep"].server(rest, plan("a").allocations[0])
    assert isinstance(server, SleepServer)
    # between the measured batches 1 and 4 and one beyond, which holds the last segment for larger requests
    assert server.service_s == pytest.approx((0.02, 0.04, 0.06, 0.08, 0.1))


async def started(server: SleepServer, folder: Path) -> tuple[ReplicaProcess, Replica]:
    process = await start_replica(ReplicaSpec("a-v-1", "a", "v", server, 4), folder)
    return process, Replica(process.address, "v")


@pytest.mark.slow
def test_it_takes_its_time_one_batch_after_the_other(tmp_path: Path) -> None:
    async def play() -> None:
        process, replica = await started(SleepServer((0.05, 0.1), PLAIN), tmp_path)
        try:
            assert (await replica.metadata()).inputs[0].shape == (-1, 1)
            given = np.arange(3, dtype=np.float32).reshape(3, 1)
            began_s = time.monotonic()
            answer = await replica.infer({"input": given})
            assert time.monotonic() - began_s >= 0.15 - WAY_S
            assert answer["input"].tolist() == given.tolist()
            began_s = time.monotonic()
            await asyncio.gather(*(replica.infer({"input": given[:1]}) for _ in range(3)))
            assert time.monotonic() - began_s >= 3 * (0.05 - WAY_S)
            with pytest.raises(ModelError, match="takes FP32"):
                await replica.infer({"input": given[:0]})
        finally:
            await replica.close()
            await process.child.stop()

    asyncio.run(play())
    assert (tmp_path / "a-v-1.log").read_text() == ""


@pytest.mark.slow
def test_what_branches_test_is_drawn_in_its_shares(tmp_path: Path) -> None:
    tensors = StageTensors(("input",), "input", (Drawn("kind", ((1.0, 0.25), (2.5, 0.5)), 0.0),))

    async def play() -> None:
        process, replica = await started(SleepServer((0.0,), tensors), tmp_path)
        try:
            answer = await replica.infer({"input": np.zeros((10_000, 1), np.float32)})
        finally:
            await replica.close()
            await process.child.stop()
        shares = {value: n / 10_000 for value, n in Counter(answer["kind"].reshape(-1).tolist()).items()}
        # five deviations of a share of 10,000 draws are at most 0.025
        assert shares == pytest.approx({1.0: 0.25, 2.5: 0.5, 0.0: 0.25}, abs=0.025)

    asyncio.run(play())


@pytest.mark.slow
def test_a_graph_with_a_branch_and_a_join_is_served(tmp_path: Path) -> None:
    stages = (
        stage("a"),
        stage("b", "a", visits=0.5, when=When("kind", 1)),
        stage("c", "a", visits=0.5, when=When("kind", 2)),
        stage("d", "b", "c"),
    )
    served = config(stages, latency_s=0.001)
    check_servable(served, "rest.yaml")
    body = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 1], "data": [7.0]}]}

    async def play() -> None:
        supervisor = Supervisor(served, tmp_path, "secret")
        try:
            router = await supervisor.start_router(0)
            await supervisor.start(plan(*"abcd"))
            async with aiohttp.ClientSession() as session:
                for _ in range(20):
                    async with session.post(f"{router.url}/v2/models/rest/infer", json=body) as response:
                        assert response.status == 200, await response.text()
                        assert (await response.json())["outputs"][0]["data"] == [7.0]
        finally:
            await supervisor.stop()

    asyncio.run(play())
