"""Routers in a cluster, as real processes in front of real replicas: whatever comes and goes, no request is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.record import Record
from ipa.adapters.kubernetes.router_monitor import RoutersMonitor, by_proxy
from ipa.adapters.load_http import HTTP
from ipa.adapters.payload import InputTensor
from ipa.domain import Allocation
from ipa.errors import Unavailable
from ipa.workload.summary import LoadSummary
from tests.adapters.kubernetes.pods import PIPELINE, World, world
from tests.adapters.loads import a_load, evenly, sent, summed_up
from tests.kube.double import Double
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]

SMALL, LARGE, ONLY = Server("one", "small", "cpu"), Server("one", "large", "cpu"), Server("two", "only", "cpu")
TWO = Allocation("two", "only", "cpu", 1, 2, 1)


def small(batch: int = 1) -> Allocation:
    return Allocation("one", "small", "cpu", 1, batch, 1)


def large(batch: int = 4) -> Allocation:
    return Allocation("one", "large", "cpu", 2, batch, 1)


def eventually(holds: Callable[[], bool], what: str) -> None:
    for _ in range(400):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within 20 s: {what}")


class Routers:
    """The router pods of a world, as their second ports tell of them."""

    def __init__(self, world: World) -> None:
        self.world = world

    def plans(self) -> list[dict[str, Any]]:
        return [httpx.get(f"{urls.tells}/plan", trust_env=False).json() for urls in self.world.pods.routers.values()]

    def count(self) -> bool:
        """Whether each knows a whole second by now: before its first one it counts for nobody."""
        found = [httpx.get(f"{urls.tells}/arrivals", trust_env=False) for urls in self.world.pods.routers.values()]
        return all(arrivals.json()["counts"] for arrivals in found)

    def follow(self, revision: int, one: str, two: int = 1) -> bool:
        """Whether each routes by that plan: stage one to pods of that Deployment alone, all of them that are ready."""
        ready = sorted(self.world.ready_pods(one))
        return all(
            plan.get("revision") == revision and _pods(plan, "one") == ready != [] and len(_pods(plan, "two")) == two
            for plan in self.plans()
        )

    def load(self, requests: int, rate_rps: float) -> list[Callable[[], LoadSummary]]:
        return [partial(_load, urls.pipeline, requests, rate_rps) for urls in self.world.pods.routers.values()]


def _pods(plan: dict[str, Any], stage: str) -> list[str]:
    return sorted(replica["id"] for row in plan["stages"] if row["stage"] == stage for replica in row["replicas"])


def _load(url: str, requests: int, rate_rps: float) -> LoadSummary:
    load = a_load(HTTP, evenly(requests, rate_rps), model=PIPELINE, tensor=InputTensor("input", "FP32", (1,)))
    return summed_up(sent(HTTP, url, load, PIPELINE))


@pytest.fixture
def pipeline(cluster: Cluster, double: Double, tmp_path: Path) -> Iterator[World]:
    """One small replica in stage one, one in stage two, two routers that route to them."""
    with world(cluster, tmp_path) as made:
        made.create_service("one")
        made.create_service("two")
        made.create_model(SMALL, 1, 1)
        made.create_model(LARGE, 2, 0)
        made.create_model(ONLY, 1, 1)
        made.create_router(2)
        eventually(lambda: len(made.pods.routers) == 2, "two routers")
        yield made


@pytest.mark.slow
@pytest.mark.cluster
def test_no_request_is_lost_while_pods_come_and_go_and_the_plan_changes(pipeline: World, double: Double) -> None:
    routers = Routers(pipeline)
    small_name, large_name = (names.deployment(PIPELINE, server) for server in (SMALL, LARGE))
    eventually(lambda: routers.follow(0, small_name), "without a plan what is ready serves")
    eventually(routers.count, "a whole second of both routers")
    urls = list(pipeline.pods.routers.values())
    assert httpx.get(f"{urls[0].pipeline}/v2/health/ready", trust_env=False).status_code == 200
    through = by_proxy(pipeline.connection)
    with closing(RoutersMonitor(pipeline.connection, PIPELINE, through)) as monitor, ThreadPoolExecutor() as pool:
        loads = [pool.submit(load) for load in routers.load(requests=480, rate_rps=40.0)]

        record = pipeline.put_plan(Record(), small(), TWO)
        eventually(lambda: routers.follow(1, small_name), "the first plan")
        pipeline.scale(small_name, 2)
        pipeline.scale(large_name, 1)
        eventually(lambda: len(pipeline.ready_pods(large_name)) == 1 and routers.follow(1, small_name), "one more")
        record = pipeline.put_plan(record, large(), TWO)
        eventually(lambda: routers.follow(2, large_name), "the larger variant")
        pipeline.scale(small_name, 0)

        with double.away():
            time.sleep(0.5)
            assert monitor_is_held(monitor)
        record = pipeline.put_plan(record, small(), TWO)  # nothing of the kind is ready: the other goes on serving
        eventually(
            lambda: all(plan["revision"] == 3 for plan in routers.plans()), "a plan after the API server's return"
        )
        assert routers.follow(3, large_name)
        pipeline.scale(small_name, 1)
        eventually(lambda: routers.follow(3, small_name), "back to the small one")
        double.store.compact()
        double.watches.cut()
        pipeline.scale(names.deployment(PIPELINE, ONLY), 2)
        eventually(lambda: routers.follow(3, small_name, two=2), "a second replica of stage two, after a relist")

        for summary in (load.result() for load in loads):
            assert (summary.answered, summary.failed, summary.dropped) == (480, 0, 0), summary
        eventually(lambda: sum(monitor.arrivals(120.0)) == 960, "both routers' arrivals, second by second")


def monitor_is_held(monitor: RoutersMonitor) -> bool:
    with pytest.raises(Unavailable):
        monitor.arrivals(10.0)
    return True
