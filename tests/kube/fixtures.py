"""`cluster`: a namespace of its own on the double, or on the real cluster that IPA_TEST_KUBECONFIG names.

Tests that use it are marked `cluster`. What needs the double asks for `double`, which skips on a real cluster.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kube.double import Double, kubeconfig

REAL = "IPA_TEST_KUBECONFIG"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a test works: a kubeconfig whose context names the namespace, and the double behind it, if it is one."""

    kubeconfig: Path
    namespace: str
    double: Double | None

    def client(self, kubeconfig: Path | None = None) -> Any:
        """An ApiClient of the official client for a kubeconfig (the cluster's own by default)."""
        from kubernetes import config

        return config.new_client_from_config(str(kubeconfig or self.kubeconfig))

    def kubeconfig_of(self, service_account: str) -> Path:
        """A kubeconfig that asks as a ServiceAccount of the namespace, by a token that the server issues for it."""
        from tests.kube.asking import asking

        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        ask = asking(self)
        issued = ask.raw("POST", ask.at("serviceaccounts", service_account, "token"), request)
        assert issued.code == 201, issued.body
        held = yaml.safe_load(self.kubeconfig.read_text())
        server = next(iter(held["clusters"]))["cluster"]
        made = kubeconfig(server["server"], self.namespace, issued.body["status"]["token"])
        made["clusters"][0]["cluster"] = server
        path = self.kubeconfig.with_name(f"{service_account}.kubeconfig")
        path.write_text(yaml.safe_dump(made))
        return path


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with a fresh namespace, which is gone afterwards."""
    real = os.environ.get(REAL)
    yield from _on_real(Path(real), tmp_path) if real else _on_double(tmp_path)


@pytest.fixture
def double(cluster: Cluster) -> Double:
    """The double behind `cluster`; the test is skipped where a real server stands there."""
    if cluster.double is None:
        pytest.skip(f"{REAL} names a real cluster")
    return cluster.double


def _on_double(tmp_path: Path) -> Iterator[Cluster]:
    double = Double()
    try:
        path = double.write_kubeconfig(tmp_path / "kubeconfig", "ipa-test")
        double.create_namespace("ipa-test")
        yield Cluster(path, "ipa-test", double)
    finally:
        double.close()


def _on_real(real: Path, tmp_path: Path) -> Iterator[Cluster]:
    from kubernetes import client, config

    namespace = f"ipa-test-{uuid.uuid4().hex[:8]}"
    held = yaml.safe_load(real.read_text())
    for context in held["contexts"]:
        if context["name"] == held["current-context"]:
            context["context"]["namespace"] = namespace
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(held))
    with config.new_client_from_config(str(path)) as api:
        core = client.CoreV1Api(api)
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
        try:
            yield Cluster(path, namespace, None)
        finally:
            core.delete_namespace(namespace)
