"""The models: a Deployment for each server that may be chosen, and for each stage a Service and a disruption budget."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.resources import model_resources
from ipa.adapters.kubernetes.way import Size
from ipa.manifests.objects import (
    CONFIG_FILE,
    CONFIG_MOUNT,
    LET_GO_S,
    TMP_MOUNT,
    Object,
    config_volume,
    metadata,
    pod_spec,
    port,
    prestop,
    rolling,
    service_port,
)
from ipa.manifests.wanted import Wanted

SLACK_S = 10
NO_TOKEN = {"automountServiceAccountToken": False}  # a model has nothing to ask of the API server


def model_deployments(wanted: Wanted) -> Iterator[Object]:
    for server, size in wanted.sizes.items():
        yield _deployment(wanted, server, size)


def stage_services(wanted: Wanted) -> Iterator[Object]:
    """Headless: the router balances by itself, over the ready pods in the Service's EndpointSlices."""
    for stage in wanted.config.pipeline.stages:
        name = names.service(wanted.pipeline, stage.name)
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(wanted.pipeline, wanted.namespace, name, names.MODEL, {names.STAGE: stage.name}),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": False,
                "selector": names.stage_labels(wanted.pipeline, stage.name),
                "ports": [service_port(names.GRPC, names.GRPC_PORT)],
            },
        }


def disruption_budgets(wanted: Wanted) -> Iterator[Object]:
    """One pod of a stage at a time may be evicted. `minAvailable` would keep a node from ever being drained where a
    stage has a single replica (kubernetes.io/docs/tasks/run-application/configure-pdb).
    """
    for stage in wanted.config.pipeline.stages:
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(
                wanted.pipeline, wanted.namespace, names.service(wanted.pipeline, stage.name), names.MODEL
            ),
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": names.stage_labels(wanted.pipeline, stage.name)},
            },
        }


def _deployment(wanted: Wanted, server: Server, size: Size) -> Object:
    labels = names.model_labels(wanted.pipeline, server)
    name = names.deployment(wanted.pipeline, server)
    identity = names.model_annotations(server)
    about = metadata(wanted.pipeline, wanted.namespace, name, names.MODEL, identity)
    spec = pod_spec(_container(wanted, server, size), [config_volume(wanted.pipeline)], NO_TOKEN)
    spec |= {"terminationGracePeriodSeconds": _drain_s(wanted, server) + SLACK_S} | _nodes(server)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": about | {"labels": labels},
        "spec": {
            "replicas": size.replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": _ready_s(wanted) + SLACK_S,
            "strategy": rolling(),
            "selector": {"matchLabels": {k: v for k, v in labels.items() if k not in (names.NAME, names.MANAGED_BY)}},
            "template": {"metadata": {"labels": labels, "annotations": identity}, "spec": spec},
        },
    }


def _container(wanted: Wanted, server: Server, size: Size) -> Object:
    variant = wanted.config.pipeline.stage(server.stage).variant(server.variant)
    return {
        "name": names.MODEL_CONTAINER,
        "image": wanted.images.model,
        "args": ["replica", CONFIG_FILE, "--hardware", server.hardware, "--host", "0.0.0.0"],
        "env": [
            {"name": names.ENV_STAGE, "value": server.stage},
            {"name": names.ENV_VARIANT, "value": server.variant},
            {"name": names.ENV_CORES, "value": str(size.cores)},
        ],
        "ports": [port(names.HTTP, names.HTTP_PORT), port(names.GRPC, names.GRPC_PORT)],
        "resources": model_resources(size.cores, variant.memory_mb),
        "volumeMounts": [CONFIG_MOUNT, TMP_MOUNT],
        "lifecycle": prestop(_drain_s(wanted, server)),
        **_probes(wanted, server),
    }


def _probes(wanted: Wanted, server: Server) -> Object:
    """Ready is: the model is loaded. A server that works on a batch may answer late, and is neither unready nor dead:
    each answer has as long as its slowest batch and more.
    """
    ready = {"httpGet": {"path": f"/v2/models/{server.variant}/ready", "port": names.HTTP}}
    timeout_s = ceil(2 * _slowest_s(wanted, server)) + 1
    return {
        "startupProbe": ready | {"periodSeconds": 1, "timeoutSeconds": timeout_s, "failureThreshold": _ready_s(wanted)},
        "readinessProbe": ready | {"periodSeconds": 2, "timeoutSeconds": timeout_s, "failureThreshold": 3},
        "livenessProbe": ready | {"periodSeconds": 10, "timeoutSeconds": timeout_s, "failureThreshold": 6},
    }


def _ready_s(wanted: Wanted) -> int:
    return ceil(wanted.config.cluster.ready_timeout_s)


def _slowest_s(wanted: Wanted, server: Server) -> float:
    rows = [m for m in wanted.config.pipeline.measurements if (m.stage, m.variant, m.hardware) == server]
    return max(m.latency_p99_s or m.latency_mean_s for m in rows)


def _drain_s(wanted: Wanted, server: Server) -> int:
    """Until the router has let go of it, then until what it has taken is done: two batches of the slowest kind.

    All before SIGTERM: MLServer gives calls 5 s from then on (mlserver/grpc/server.py, stop).
    """
    return LET_GO_S + ceil(2 * _slowest_s(wanted, server))


def _nodes(server: Server) -> Object:
    """Which nodes are such hardware only the cluster's operator can say; `cpu` is any."""
    if server.hardware == "cpu":
        return {}
    return {"nodeSelector": {names.HARDWARE: names.label_value(server.hardware)}}
