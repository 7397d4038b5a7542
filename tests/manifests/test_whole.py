"""All that is rendered, running: models, router and controller by the commands of their containers, under load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.status import status
from ipa.manifests import render
from tests.kube.double import Double
from tests.kube.fixtures import Cluster
from tests.manifests.applied import VIDEO, apply, until, video
from tests.manifests.containers import Containers
from tests.manifests.rendered import smallest_plan

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def containers(cluster: Cluster, connection: Connection, double: Double, tmp_path: Path) -> Iterator[Containers]:
    installed = video(connection.namespace)
    objects = render(installed)
    accounts = [each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")]
    apply(connection, accounts)
    kubeconfigs = {
        names.ROUTER: cluster.kubeconfig_of(names.router("video")),
        # From outside of the cluster routers are counted by way of the API server: no right of the controller's.
        names.CONTROLLER: cluster.kubeconfig,
    }
    found = Containers(installed.files, kubeconfigs, tmp_path)
    double.set(runner=found)
    try:
        apply(connection, objects)
        yield found
    finally:
        double.set(runner=None)
        found.close()


def test_the_pipeline_answers_and_adapts_and_no_request_is_lost(containers: Containers, connection: Connection) -> None:
    config = replace(video(connection.namespace).config)
    until(lambda: _router_is_ready(containers), "the router", 120)
    (host,) = [host for name, host in containers.hosts.items() if name.startswith("video-router")]
    url = f"http://{host}:{names.HTTP_PORT}"
    words = ["load", str(VIDEO), "--trace", "constant:6x15s", "--url", url, "--output", "json"]
    loaded = subprocess.run([sys.executable, "-m", "ipa", *words], capture_output=True, text=True, timeout=240)
    assert loaded.returncode == 0, loaded.stderr
    summary = json.loads(loaded.stdout)
    assert (summary["answered"], summary["dropped"], summary["failed"]) == (90, 0, 0)
    until(lambda: records.read(connection, "video").revision > 0, "a decision", 60)
    until(lambda: records.read(connection, "video").good and status(connection, config).ready, "the plan", 60)
    found = status(connection, config)
    assert found.controller
    # The test starts with two replicas of large models, which nobody would choose.
    start = {allocation.variant for allocation in smallest_plan(config).allocations}
    assert {each.allocation.variant for each in found.running} != start


def _router_is_ready(containers: Containers) -> bool:
    hosts = [host for name, host in containers.hosts.items() if name.startswith("video-router")]
    if not hosts:
        return False
    try:
        answer = httpx.get(f"http://{hosts[0]}:{names.HTTP_PORT}/v2/health/ready", trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == 200
