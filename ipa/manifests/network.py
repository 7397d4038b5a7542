"""Who may talk to whom (NetworkPolicy), and what Prometheus scrapes (PodMonitor).

The kubelet's probes pass whatever a policy says (kubernetes.io/docs/concepts/services-networking/network-policies).
Egress of router and controller stays open: a policy cannot name the API server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.manifests.objects import Object, metadata, own_selector
from ipa.manifests.wanted import Wanted

# How the Prometheus operator and the usual charts label the server's pods.
_PROMETHEUS = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}


def network_policies(wanted: Wanted) -> Iterator[Object]:
    """Models answer the router and talk to nobody; everybody may ask the router; metrics are for the controller and
    Prometheus.
    """
    pipeline = wanted.pipeline
    model = {"ingress": [_allow([_pods(pipeline, names.ROUTER)], names.GRPC_PORT)], "egress": []}
    yield _policy(wanted, f"{names.MODEL}", model, ["Ingress", "Egress"])
    router = [
        {"ports": _ports(names.HTTP_PORT, names.GRPC_PORT)},
        _allow([_pods(pipeline, names.CONTROLLER), _PROMETHEUS], names.ADMIN_PORT),
    ]
    yield _policy(wanted, names.ROUTER, {"ingress": router}, ["Ingress"])
    yield _policy(wanted, names.CONTROLLER, {"ingress": [_allow([_PROMETHEUS], names.ADMIN_PORT)]}, ["Ingress"])


def pod_monitor(wanted: Wanted) -> Object:
    """For the Prometheus operator (github.com/prometheus-operator/prometheus-operator, api-reference, PodMonitor)."""
    components = {"key": names.COMPONENT, "operator": "In", "values": [names.ROUTER, names.CONTROLLER]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(wanted.pipeline, wanted.namespace, names.router(wanted.pipeline), names.ROUTER),
        "spec": {
            "selector": {
                "matchLabels": {names.PART_OF: names.label_value(wanted.pipeline)},
                "matchExpressions": [components],
            },
            "podMetricsEndpoints": [{"port": names.METRICS, "path": "/metrics", "interval": "5s"}],
        },
    }


def _policy(wanted: Wanted, component: str, allowed: dict[str, Any], types: list[str]) -> Object:
    name = names.policy(wanted.pipeline, component)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(wanted.pipeline, wanted.namespace, name, component),
        "spec": {
            "podSelector": {"matchLabels": own_selector(wanted.pipeline, component)},
            "policyTypes": types,
            **allowed,
        },
    }


def _pods(pipeline: str, component: str) -> Object:
    return {"podSelector": {"matchLabels": own_selector(pipeline, component)}}


def _allow(sources: list[Object], number: int) -> Object:
    return {"from": sources, "ports": _ports(number)}


def _ports(*numbers: int) -> list[Object]:
    return [{"protocol": "TCP", "port": number} for number in numbers]
