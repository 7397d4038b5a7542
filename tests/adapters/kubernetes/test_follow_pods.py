"""Following with fakes for pods and API server: which of them are used, and what becomes of their connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ipa.adapters.kubernetes import follow
from ipa.adapters.kubernetes.connection import Connection, Refused
from ipa.adapters.kubernetes.follow import Following
from ipa.dataplane.background import Background
from ipa.dataplane.graph import line
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.plan import ReplicaSpec
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.routed import Client
from ipa.dataplane.router import Router
from ipa.dataplane.stage import StageLimits
from ipa.dataplane.tensors import TensorSpec
from ipa.domain import Pipeline, Slo, Stage, Variant
from ipa.errors import Unavailable
from tests.dataplane.fakes import FakeReplica, doubling, rows

PIPELINE = Pipeline("pipe", (Stage("one", (Variant("v", 0.9), Variant("w", 0.9)), ("cpu",)),), Slo(1.0, 2.0))


class Fakes:
    """A router that follows; pods are called by their variant, as in v1."""

    def __init__(self) -> None:
        self.replicas: dict[str, FakeReplica] = {}
        self.models: dict[str, ModelMetadata] = {}
        self.absent: set[str] = set()
        self.unreadable: dict[str, Exception] = {}
        self.nobodys: set[str] = set()
        self.reads: list[str] = []
        self.crashes: list[BaseException] = []
        self.background = Background(self.crashes.append)
        self.following = Following(PIPELINE, Connection(None, "ns"), "127.0.0.1")  # type: ignore[arg-type]
        limits = StageLimits(10.0, 100, 1)
        clock = asyncio.get_running_loop().time
        self.router = Router(
            "pipe", line(["one"]), limits, Metrics("pipe"), self.background, clock, self.following.connect
        )

    async def connect(self, spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        if spec.id in self.absent:
            raise Unavailable(f"{spec.id} does not answer")
        self.replicas.setdefault(spec.id, FakeReplica()).closed = False
        return self.replicas[spec.id], self.models.get(spec.id, doubling())

    def read_pod(self, name: str) -> dict[str, Any] | None:
        self.reads.append(name)
        if name in self.unreadable:
            raise self.unreadable[name]
        annotations = {"ipa/stage": "one", "ipa/variant": name[0], "ipa/hardware": "cpu"}
        containers = [{"name": "model", "resources": {"requests": {"cpu": "1"}}}]
        metadata = {"name": name, "uid": f"uid-{name}", "annotations": {} if name in self.nobodys else annotations}
        return {"metadata": metadata, "spec": {"containers": containers}}

    def there(self, *pods: str) -> None:
        """The API server tells that these are ready, and no others."""
        conditions = {"ready": True}
        endpoints = [
            {"addresses": ["h"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": p, "uid": f"uid-{p}"}}
            for p in pods
        ]
        labels = {"kubernetes.io/service-name": "pipe-one"}
        ports = [{"name": "grpc", "port": 1}]
        told = {"metadata": {"name": "s", "labels": labels}, "addressType": "IPv4", "ports": ports}
        self.following._see_slices({"s": told | {"endpoints": endpoints}})

    def planned(self, revision: int, *variants: str) -> None:
        row = {"stage": "one", "hardware": "cpu", "cores": 1, "batch": 4, "replicas": 1}
        document = {"revision": revision, "plan": [row | {"variant": variant} for variant in variants]}
        self.following._see_plan({"pipe-plan": {"data": {"plan.json": json.dumps(document)}}})

    @property
    def routed(self) -> list[str]:
        return [replica.spec.id for replica in self.router.stages[0].replicas]

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(500):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError((self.routed, self.router.state()))


def play(monkeypatch: pytest.MonkeyPatch, story: Callable[[Fakes], Awaitable[None]]) -> None:
    async def run() -> None:
        fakes = Fakes()
        monkeypatch.setattr(fakes.following._admitted, "_connect", fakes.connect)
        monkeypatch.setattr(fakes.following._admitted, "_read_pod", fakes.read_pod)
        fakes.background.start(fakes.following._follow(fakes.router, fakes.background))
        await story(fakes)
        await fakes.background.stop()
        await fakes.router.close()
        assert fakes.crashes == []

    monkeypatch.setattr(follow, "SILENT_RETRY_S", 0.05)
    asyncio.run(run())


def test_nothing_is_routed_before_both_plan_and_endpoints_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(fakes: Fakes) -> None:
        fakes.there("v1", "w1")
        await fakes.until(lambda: len(fakes.reads) == 2)
        assert not fakes.router.ready and fakes.router.state() == {"stages": []}
        fakes.planned(7, "w")
        await fakes.until(lambda: fakes.routed == ["w1"])
        assert fakes.router.ready and fakes.router.state()["revision"] == 7

    play(monkeypatch, story)


def test_one_pod_that_cannot_be_used_holds_no_other_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(fakes: Fakes) -> None:
        fakes.absent.add("v1")
        fakes.unreadable |= {"v2": Unavailable("the API server is away"), "v3": Refused("GET: 403 forbidden", 403)}
        fakes.nobodys.add("v4")
        fakes.planned(1, "v")
        fakes.there("v1", "v2", "v3", "v4", "v5")
        await fakes.until(lambda: fakes.routed == ["v5"])
        fakes.absent.clear()
        fakes.unreadable.clear()
        await fakes.until(lambda: fakes.routed == ["v1", "v2", "v3", "v5"])

    play(monkeypatch, story)
    for says in ("v1 does not answer", "the API server is away", "403 forbidden", "do not say which model it is"):
        assert len([record for record in caplog.records if says in record.message]) == 1, says


def test_a_pod_is_read_once_and_its_connection_lasts_as_long_as_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that goes away from it and comes back finds it connected; it is closed when its last batch is done."""

    async def story(fakes: Fakes) -> None:
        fakes.there("v1", "w1")
        for revision, variant in enumerate("vwv"):
            fakes.planned(revision, variant)
            await fakes.until(lambda v=variant: fakes.routed == [f"{v}1"])  # type: ignore[misc]
            assert not any(replica.closed for replica in fakes.replicas.values())
        request = asyncio.create_task(fakes.router.answer(rows(3.0), 1, asyncio.get_running_loop().time()))
        await fakes.until(lambda: fakes.replicas["v1"].held == 1)
        fakes.there("w1")
        await fakes.until(lambda: fakes.routed == ["w1"])
        assert not fakes.replicas["v1"].closed, "it still has a batch"
        fakes.replicas["v1"].gate.set()
        answer = await request
        assert isinstance(answer, dict) and answer["x"][0, 0] == 6.0
        await fakes.until(lambda: fakes.replicas["v1"].closed)
        assert sorted(fakes.reads) == ["v1", "w1"]
        fakes.there()
        await fakes.until(lambda: fakes.routed == [] and fakes.replicas["w1"].closed)
        assert not fakes.router.ready

    play(monkeypatch, story)


def test_a_plan_that_is_news_waits_for_pods_that_are_old_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoints say that v1 is ready, and it does not say so itself: w1 goes on, whatever the plan wants."""

    async def story(fakes: Fakes) -> None:
        fakes.planned(1, "w")
        fakes.there("v1", "w1")
        await fakes.until(lambda: fakes.routed == ["w1"] and "v1" in fakes.replicas)
        fakes.replicas["v1"].is_ready = False
        fakes.planned(2, "v")
        await fakes.until(lambda: fakes.router.state().get("revision") == 2)
        assert fakes.routed == ["w1"]
        fakes.replicas["v1"].is_ready = True
        await fakes.until(lambda: fakes.routed == ["v1"])

    play(monkeypatch, story)


def test_a_pod_that_does_not_fit_is_left_out_and_the_others_follow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = TensorSpec("y", "FP32", (-1, 3))

    async def story(fakes: Fakes) -> None:
        fakes.models["v2"] = ModelMetadata("v", (other,), (other,))
        fakes.planned(1, "v")
        fakes.there("v1")
        await fakes.until(lambda: fakes.routed == ["v1"])
        fakes.there("v1", "v2", "v3")
        await fakes.until(lambda: fakes.routed == ["v1", "v3"])
        fakes.there("v2", "v3")
        await fakes.until(lambda: fakes.routed == ["v3"])
        fakes.there("v2")  # all that is there: a new model, and nothing beside which it would not fit
        await fakes.until(lambda: fakes.routed == ["v2"])

    play(monkeypatch, story)
    assert "not all of the pods fit the pipeline" in caplog.text


def test_a_broken_plan_leaves_the_one_before(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def story(fakes: Fakes) -> None:
        fakes.there("v1", "w1")
        fakes.following._see_plan({"pipe-plan": {"data": {"plan.json": "{"}}})
        await fakes.until(lambda: fakes.routed == ["v1", "w1"])
        fakes.planned(3, "w")
        await fakes.until(lambda: fakes.routed == ["w1"])
        fakes.following._see_plan({"pipe-plan": {"data": {"plan.json": "{"}}})
        fakes.there("v1", "w1", "w2")
        await fakes.until(lambda: fakes.routed == ["w1", "w2"])

    play(monkeypatch, story)
    assert "ConfigMap pipe-plan: plan.json: not a plan" in caplog.text
