"""A pipeline's Deployments in a namespace, as ipa's manifests make them, and the ports of its controller."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.cluster import KubernetesCluster
from ipa.adapters.kubernetes.connection import APPLY_PATCH, Connection, Json
from ipa.adapters.kubernetes.credentials import client_of
from ipa.adapters.kubernetes.elector import Elector
from ipa.adapters.kubernetes.events import Events
from ipa.adapters.kubernetes.lease import Timing
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.record import Record
from ipa.adapters.kubernetes.resources import model_resources
from ipa.adapters.kubernetes.rollout import Surroundings
from ipa.domain import (
    Allocation,
    ClusterSettings,
    Config,
    ControlSettings,
    ForecastSettings,
    Limits,
    Objective,
    Pipeline,
    Plan,
)
from tests.kube.fixtures import Cluster as Namespace
from tests.pipelines import two_stages

SHORT = Timing(duration_s=1.5, renew_deadline_s=1.0, retry_s=0.2)
"""client-go's proportions, a tenth as long."""
POLL_S = 0.05


def toy(limits: Limits = Limits(), *, ready_timeout_s: float = 3.0, drift: str = "correct") -> Config:  # noqa: B008
    """detect (small, large) → classify (light, heavy), one core each, in a cluster."""
    settings = ClusterSettings("kubernetes", drift=drift, ready_timeout_s=ready_timeout_s, router_switch_s=0.05)
    return Config(
        two_stages(limits, objective=Objective(100.0)),
        Path(),
        forecast=ForecastSettings("last", window_s=5.0),
        control=ControlSettings(interval_s=0.3, hold_s=0.6),
        cluster=settings,
    )


def plan(detect: tuple[str, int], classify: tuple[str, int], *, batch: int = 1, cores: int = 1) -> Plan:
    rows = (("detect", *detect), ("classify", *classify))
    return Plan(tuple(Allocation(stage, variant, "cpu", cores, batch, count) for stage, variant, count in rows))


def connection_to(cluster: Namespace, kubeconfig: Path | None = None) -> Connection:
    """As `ipa adapt` has it, time-outs, retries and all."""
    client, _ = client_of(str(kubeconfig or cluster.kubeconfig), None)
    return Connection(client, cluster.namespace)


def deployment(pipeline: str, server: Server, replicas: int = 0, cores: int = 1) -> Json:
    """As rendered: no surprises in its roll-out, and a short grace."""
    labels = names.model_labels(pipeline, server)
    about = {"labels": labels, "annotations": names.model_annotations(server)}
    container = {
        "name": names.MODEL_CONTAINER,
        "image": "registry.k8s.io/pause:3.10",
        "resources": model_resources(cores, None),
        "env": [{"name": names.ENV_CORES, "value": str(cores)}, {"name": names.ENV_STAGE, "value": server.stage}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": names.deployment(pipeline, server)} | about,
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": about,
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


def apply_as(connection: Connection, manager: str, item: Json, *, force: bool = False) -> Json:
    path = connection.path("apps/v1", "deployments", item["metadata"]["name"])
    query = {"fieldManager": manager} | ({"force": "true"} if force else {})
    return connection.patch(path, item, APPLY_PATCH, query)


def install(connection: Connection, config: Config, start: Plan | None = None) -> None:
    """What `kubectl apply --server-side --field-manager=ipa-manifests` does with every server of the pipeline."""
    for server in servers(config.pipeline):
        a = next((a for a in start.allocations if (a.stage, a.variant) == server[:2]), None) if start else None
        item = deployment(config.pipeline.name, server, a.replicas if a else 0, a.cores if a else 1)
        apply_as(connection, names.MANIFESTS_MANAGER, item)


def servers(pipeline: Pipeline) -> list[Server]:
    return [Server(s.name, v.name, h) for s in pipeline.stages for v in s.variants for h in s.hardware]


@dataclass
class Controller:
    """One controller with its lease, on real time; `stop` as SIGTERM would, `kill` as if its process had died."""

    config: Config
    connection: Connection
    timing: Timing = field(default_factory=lambda: SHORT)
    stopping: threading.Event = field(default_factory=threading.Event)
    elector: Elector = field(init=False)
    world: Surroundings = field(init=False)
    cluster: KubernetesCluster = field(init=False)

    def __post_init__(self) -> None:
        # Impatient, as the story tests are: back-off within a tenth.
        quick = replace(self.connection, sleep=lambda seconds: time.sleep(seconds / 10))
        self.elector = Elector(quick, self.config.pipeline.name, timing=self.timing)
        self.world = Surroundings(
            self.config,
            replace(quick.guarded(self.elector.guard), sleep=lambda seconds: time.sleep(min(seconds, 0.1))),
            lambda seconds: not self.stopping.wait(seconds),
            Events(quick).tell,
            poll_s=POLL_S,
        )
        self.cluster = KubernetesCluster(self.world, self.elector)

    def record(self) -> Record:
        return records.read(self.connection, self.config.pipeline.name)

    def kill(self) -> None:
        """Its writes stop at once and its lease is not given back."""

        def dead() -> None:
            raise SystemExit(137)

        object.__setattr__(self.world.connection, "before_write", dead)
        self.elector._ending.set()
        self.stopping.set()


@contextmanager
def leading(config: Config, connection: Connection) -> Iterator[Controller]:
    """A controller whose lease is held and renewed."""
    controller = Controller(config, connection)
    controller.elector.start()
    until(controller.elector.leads, "the lease")
    try:
        yield controller
    finally:
        controller.elector.stop()


def until(true: Callable[[], Any], what: str, seconds: float = 15.0) -> None:
    """Raises AssertionError if it does not become true."""
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


def replicas(connection: Connection) -> dict[str, int]:
    """By variant, of all Deployments that have any."""
    found = connection.get(connection.path("apps/v1", "deployments"))["items"]
    counts: Counter[str] = Counter()
    for item in found:
        counts[item["metadata"]["annotations"][names.VARIANT]] += item["spec"]["replicas"]
    return dict(+counts)
