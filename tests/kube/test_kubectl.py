"""Clients that nobody here wrote get along with the double: kubectl, and the client's in-cluster configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.asking import deployment
from tests.kube.double import Double
from tests.kube.tls import certificate

NAMESPACE = "tools"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Double, Path]]:
    double = Double(certificate(tmp_path))
    try:
        double.create_namespace(NAMESPACE)
        yield double, double.write_kubeconfig(tmp_path / "kubeconfig", NAMESPACE)
    finally:
        double.close()


def _kubectl(kubeconfig: Path, arguments: str, body: object = None) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "--kubeconfig", str(kubeconfig), "--cache-dir", str(kubeconfig.parent / "cache")]
    sent = json.dumps(body) if body is not None else None
    return subprocess.run([*command, *arguments.split()], input=sent, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_applies_waits_scales_lists_and_deletes(served: tuple[Double, Path]) -> None:
    _, kubeconfig = served
    body = {"apiVersion": "apps/v1", "kind": "Deployment"} | deployment(replicas=2)
    apply = "apply --server-side --validate=false -f -"
    assert _kubectl(kubeconfig, apply, body).stdout == "deployment.apps/web serverside-applied\n"
    done = _kubectl(kubeconfig, "rollout status deploy/web --timeout=20s")
    assert 'deployment "web" successfully rolled out' in done.stdout
    assert _kubectl(kubeconfig, "scale deploy/web --replicas=1").stdout == "deployment.apps/web scaled\n"
    stolen = body | {"spec": {**body["spec"], "replicas": 3}}  # type: ignore[dict-item]
    conflict = _kubectl(kubeconfig, apply + " --field-manager=other", stolen)
    assert conflict.returncode == 1
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in conflict.stderr
    forced = _kubectl(kubeconfig, apply + " --field-manager=other --force-conflicts", stolen)
    assert forced.returncode == 0
    wait = "wait --for=jsonpath={.status.readyReplicas}=3 deploy/web --timeout=20s"
    assert _kubectl(kubeconfig, wait).returncode == 0
    names = _kubectl(kubeconfig, "get pods -l app=web -o name").stdout.split()
    assert len(names) == 3
    shown = _kubectl(kubeconfig, "describe deploy web").stdout
    assert "ScalingReplicaSet" in shown
    assert "3 desired | 3 updated | 3 total | 3 available" in shown
    assert _kubectl(kubeconfig, "delete deploy web").stdout.startswith('deployment.apps "web" deleted')


@pytest.mark.slow
def test_a_client_inside_the_cluster_finds_server_and_token(
    served: tuple[Double, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes import client
    from kubernetes.config import incluster_config

    double, _ = served
    assert double.certificate is not None
    token = tmp_path / "token"
    token.write_text(double.admin_token)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", double.url.rpartition(":")[2])
    configuration = client.Configuration()
    loader = incluster_config.InClusterConfigLoader(str(token), str(double.certificate.certificate))
    loader.load_and_set(configuration)
    with client.ApiClient(configuration) as api:
        listed = client.CoordinationV1Api(api).list_namespaced_lease(NAMESPACE)
    assert listed.items == []
