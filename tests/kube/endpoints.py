"""The EndpointSlice controller: the pods behind each Service, one slice for each set of port numbers.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.kube.api import Api, Options
from tests.kube.conditions import is_true, reference
from tests.kube.failures import Refused
from tests.kube.loops import RETRY_S
from tests.kube.node import Node
from tests.kube.objects import suffix
from tests.kube.resources import Object, named
from tests.kube.selectors import matches
from tests.kube.store import Change

_OPTIONS = Options("kube-controller-manager")


@dataclass
class EndpointSlices:
    """Steps every Service that itself or a pod of which changed."""

    api: Api
    node: Node
    _dirty: set[tuple[str, str]] = field(default_factory=set)

    def hear(self, change: Change) -> None:
        kind, namespace, name = change.key
        if kind == "services":
            self._dirty.add((namespace, name))
        elif kind == "pods":
            for service in self.api.store.selection(named("services"), namespace):
                if any(o is not None and _selects(service, o) for o in (change.old, change.new)):
                    self._dirty.add((namespace, service["metadata"]["name"]))

    def step(self, now_s: float) -> float | None:
        due, self._dirty = self._dirty, set()
        for key in due:
            with self.api.store.changed:
                service = self.api.store.get(named("services"), *key)
                if service is not None and service["spec"].get("selector"):
                    try:
                        self._reconcile(service)
                    except Refused:  # as in a namespace that is going
                        self._dirty.add(key)
        return now_s + RETRY_S if self._dirty else None

    def _reconcile(self, service: Object) -> None:
        namespace = service["metadata"]["namespace"]
        pods = [pod for pod in self.api.store.selection(named("pods"), namespace) if _selects(service, pod)]
        wanted: dict[str, list[Object]] = {}
        for pod in pods:
            if pod["status"].get("podIP") and self.node.address(pod) is not None:
                wanted.setdefault(json.dumps(self._ports(service, pod)), []).append(_endpoint(service, pod))
        slices = self.api.store.dependents(named("endpointslices"), service)
        held = {json.dumps(one.get("ports")): one for one in slices}
        for ports, old in held.items():
            if ports not in wanted:
                self.api.remove(named("endpointslices"), namespace, old["metadata"]["name"])
        for ports, endpoints in wanted.items():
            self._write(service, held.get(ports), ports, endpoints)

    def _ports(self, service: Object, pod: Object) -> list[Object]:
        address = self.node.address(pod)
        assert address is not None
        found = []
        for port in service["spec"].get("ports") or []:
            name, declared = port.get("name", ""), _declared(port, pod)
            found.append({"name": name, "port": address.port(name, declared), "protocol": port["protocol"]})
        return found

    def _write(self, service: Object, old: Object | None, ports: str, endpoints: list[Object]) -> None:
        meta = service["metadata"]
        if old is not None:
            new = old | {"endpoints": endpoints}
            self.api.update(named("endpointslices"), meta["namespace"], old["metadata"]["name"], new, _OPTIONS)
            return
        labels = (meta.get("labels") or {}) | {
            "kubernetes.io/service-name": meta["name"],
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        body: Object = {
            "metadata": {
                "name": f"{meta['name']}-{suffix()}",
                "labels": labels,
                "ownerReferences": [reference(service)],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": json.loads(ports),
        }
        self.api.create(named("endpointslices"), meta["namespace"], body, _OPTIONS)


def _selects(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and matches({"matchLabels": selector}, pod["metadata"].get("labels") or {})


def _declared(port: Object, pod: Object) -> int:
    """The number a Service port leads to; a name is looked up among the pod's own ports."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named_ports = [p for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    return next((int(p["containerPort"]) for p in named_ports if p.get("name") == target), int(port["port"]))


def _endpoint(service: Object, pod: Object) -> Object:
    """https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions"""
    meta = pod["metadata"]
    serving = is_true(pod, "Ready")
    terminating = bool(meta.get("deletionTimestamp"))
    ready = (serving and not terminating) or bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
    }
