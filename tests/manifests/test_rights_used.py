"""The rights that are rendered against those that are used, by the true code as its ServiceAccount."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.cluster import KubernetesCluster
from ipa.adapters.kubernetes.connection import Connection, Refused
from ipa.adapters.kubernetes.elector import Elector
from ipa.adapters.kubernetes.events import Events
from ipa.adapters.kubernetes.journal import ClusterJournal
from ipa.adapters.kubernetes.rollout import Surroundings
from ipa.adapters.kubernetes.router_monitor import RoutersMonitor
from ipa.domain import Allocation, Plan
from ipa.manifests import Wanted
from tests.kube.double import Double
from tests.kube.fixtures import Cluster
from tests.manifests.applied import install, until, video
from tests.manifests.rendered import smallest_plan
from tests.manifests.test_rights import permissions

pytestmark = pytest.mark.cluster

OTHER = Plan(
    (
        Allocation("detect", "yolov5s", "cpu", 1, 1, 1),
        Allocation("classify", "resnet18", "cpu", 1, 1, 1),
    )
)
LINE = {"reason": "r", "apply": [], "pipeline": "video"}


def used(double: Double, account: str) -> set[tuple[str, str]]:
    """(resource, verb) of all that an account asked for."""
    return {(r.resource, r.verb) for r in double.records if r.user.endswith(f":{account}")}


def granted(installed: Wanted, component: str) -> set[tuple[str, str]]:
    return {(resource, verb) for _, resource, verb, _ in permissions(installed, component)}


@contextmanager
def acting(cluster: Cluster, installed: Wanted, elector: Elector | None) -> Iterator[KubernetesCluster]:
    """The cluster's port in the hands of the controller's account."""
    with cluster.client(cluster.kubeconfig_of(names.controller("video"))) as client:
        connection = Connection(client, cluster.namespace)
        world = Surroundings(installed.config, connection, lambda _: True, Events(connection).tell, poll_s=0.05)
        yield KubernetesCluster(world, elector and replace(elector, connection=connection))


def look_around(port: KubernetesCluster) -> None:
    """What every turn of the loop reads, of the API server."""
    port.live()
    port.constraints()

    def silent(*_: object) -> dict[str, object]:
        return {"counts": [1], "until_s": 1e9}

    monitor = RoutersMonitor(port.world.connection, "video", silent)
    monitor.arrivals(1)
    monitor.close()


def test_a_controller_uses_all_it_may_and_may_all_it_uses(
    cluster: Cluster, connection: Connection, double: Double
) -> None:
    installed = video(connection.namespace)
    install(connection, installed)
    until(lambda: double.records and _routers_ready(connection), "the router's pod")
    double.forget_records()
    with acting(cluster, installed, Elector(connection, "video")) as port:
        assert port.elector is not None
        look_around(port)
        for plan in (smallest_plan(installed.config), OTHER, smallest_plan(installed.config)):
            port.live()
            assert port.apply(plan).applied
        port.world.tell("Changed", "said twice", port.world.look().deployments[:1])
        port.world.tell("Changed", "said twice", port.world.look().deployments[:1])
        ClusterJournal(port.world.connection, "video", port.elector).append(LINE)
    # A patch that applies what is not there yet is checked as a create too, in the server
    # (k8s.io/apiserver/pkg/endpoints/handlers/patch.go, createAuthorizerAttributes).
    created = {("configmaps", "create")}
    assert used(double, "video-controller") | created == granted(installed, "controller")


def test_a_shadow_decides_with_rights_to_read_alone(cluster: Cluster, connection: Connection, double: Double) -> None:
    installed = replace(video(connection.namespace), rights="read-only")
    install(connection, installed)
    until(lambda: _routers_ready(connection), "the router's pod")
    double.forget_records()
    with acting(cluster, installed, None) as port:
        look_around(port)
        outcome = port.try_out(OTHER)
        assert "may only be read" in outcome.detail
    refused = {("deployments", "patch")}  # the server's dry run, which needs the right to do it
    assert used(double, "video-controller") - refused <= granted(installed, "controller")
    assert {verb for _, verb in granted(installed, "controller")} <= {"get", "list", "watch"}


def test_a_models_pod_has_no_rights_at_all(cluster: Cluster, connection: Connection) -> None:
    installed = video(connection.namespace)
    install(connection, installed)
    with cluster.client(cluster.kubeconfig_of("default")) as client, pytest.raises(Refused, match="403"):
        other = Connection(client, cluster.namespace)
        other.get(other.path("v1", "pods"))


@pytest.mark.slow
def test_a_router_uses_all_it_may_and_may_all_it_uses(
    cluster: Cluster, connection: Connection, double: Double, tmp_path: Path
) -> None:
    installed = video(connection.namespace)
    install(connection, installed)
    config = mounted_for(installed, tmp_path, cluster.kubeconfig_of(names.router("video")))
    double.forget_records()
    command = [sys.executable, "-m", "ipa", "router", str(config), "--port", "0"]
    router = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)})
    try:
        until(lambda: used(double, "video-router") >= granted(installed, "router"), "all rights used", 15)
    finally:
        router.send_signal(signal.SIGTERM)
        assert router.wait(20) == 0
    assert used(double, "video-router") == granted(installed, "router")


def mounted_for(installed: Wanted, folder: Path, kubeconfig: Path) -> Path:
    """The ConfigMap's files, with a kubeconfig in place of the pod's token."""
    for name, text in installed.files.items():
        (folder / name).write_text(text)
    document = yaml.safe_load(installed.files["config.yaml"])
    document["cluster"] |= {"kubeconfig": str(kubeconfig)}
    (folder / "config.yaml").write_text(json.dumps(document))
    return folder / "config.yaml"


def _routers_ready(connection: Connection) -> bool:
    found = connection.get(connection.path("apps/v1", "deployments", "video-router"))
    return bool(found.get("status", {}).get("availableReplicas"))
