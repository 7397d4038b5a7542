"""The double as a test holds it: start, stop, settings, faults, and the records of what was asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.kube import admission
from tests.kube.access import ADMIN, READER, Access
from tests.kube.api import SYSTEM, Api
from tests.kube.collector import Collector
from tests.kube.deployments import Deployments
from tests.kube.endpoints import EndpointSlices
from tests.kube.faults import Faults
from tests.kube.frontend import Frontend
from tests.kube.loops import Controller, Loops
from tests.kube.node import Node, NodeSettings, Runner
from tests.kube.replicasets import ReplicaSets
from tests.kube.requests import Record
from tests.kube.resources import Object, named
from tests.kube.server import Port
from tests.kube.store import Store
from tests.kube.tls import Certificate
from tests.kube.watching import Watches


class Double:
    """An API server on an ephemeral port of 127.0.0.1, its controllers and its node; close it when done.

    With a certificate it speaks TLS.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.certificate = certificate
        self.store = Store()
        self.api = Api(self.store, admission.chain(self.store))
        self.access = Access(self.store)
        self.faults = Faults()
        self.watches = Watches(self.store)
        self.node_settings = NodeSettings()
        self._frontend = Frontend(self.api, self.access, self.watches, self.faults)
        self._node = node = Node(self.api, self.node_settings)
        workloads: list[Controller] = [Deployments(self.api), ReplicaSets(self.api), node]
        self.loops = Loops(self.store, [*workloads, EndpointSlices(self.api, node), Collector(self.api)])
        self._port = Port(self._frontend.serve, certificate.context() if certificate else None)
        self.admin_token = self.access.token(ADMIN)
        self.reader_token = self.access.token(READER)
        for name in ("default", "kube-system"):
            self.create_namespace(name)
        self.loops.start()
        self._port.open()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self._port.number}"

    def close(self) -> None:
        self.watches.cut()
        self._port.give_up()
        self.loops.stop()
        self._node.close()

    def set(
        self,
        ready_after_s: float | None = None,
        exit_after_s: float | None = None,
        never_ready: Callable[[Object], bool] | None = None,
        runner: Runner | None = None,
    ) -> None:
        """Changes how the node treats pods from now on; what is None stays as it is."""
        given: dict[str, object] = {"ready_after_s": ready_after_s, "exit_after_s": exit_after_s}
        given |= {"never_ready": never_ready, "runner": runner}
        for name, value in given.items():
            if value is not None:
                setattr(self.node_settings, name, value)
        self.poke()

    def set_capacity(self, cores: float | None) -> None:
        """The node's cores; None is no bound."""
        self.node_settings.capacity_cores = cores
        self.poke()

    def poke(self) -> None:
        """Makes the controllers look again."""
        self.store.nudge()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The API server is gone: connections are cut and refused; the node and the pods live on."""
        self.stop_serving()
        try:
            yield
        finally:
            self.serve_again()

    def stop_serving(self) -> None:
        self.watches.cut()
        self._port.close()

    def serve_again(self) -> None:
        self._port.open()

    def cut_connections(self) -> None:
        self._port.cut()

    @property
    def records(self) -> list[Record]:
        """Every request so far, oldest first."""
        return list(self._frontend.records)

    def forget_records(self) -> None:
        self._frontend.records.clear()

    def write_kubeconfig(self, path: Path, namespace: str, token: str | None = None) -> Path:
        """A kubeconfig for a token (the administrator's by default)."""
        held = kubeconfig(self.url, namespace, token or self.admin_token)
        if self.certificate is not None:
            held["clusters"][0]["cluster"]["certificate-authority"] = str(self.certificate.certificate)
        path.write_text(yaml.safe_dump(held))
        path.chmod(0o600)
        return path

    def create_namespace(self, name: str) -> None:
        self.api.create(named("namespaces"), "", {"metadata": {"name": name}}, SYSTEM)


def kubeconfig(url: str, namespace: str, token: str) -> dict[str, Any]:
    """https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/"""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "double",
        "clusters": [{"name": "double", "cluster": {"server": url}}],
        "users": [{"name": "double", "user": {"token": token}}],
        "contexts": [
            {"name": "double", "context": {"cluster": "double", "user": "double", "namespace": namespace}},
        ],
    }
