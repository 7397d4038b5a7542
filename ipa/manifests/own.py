"""The two programs of ipa in the cluster: the router with its Service, and the controller."""

from __future__ import annotations

import hashlib

from ipa.adapters.kubernetes import names
from ipa.manifests.objects import (
    CONFIG_FILE,
    CONFIG_MOUNT,
    LET_GO_S,
    TMP_MOUNT,
    Object,
    config_volume,
    metadata,
    own_selector,
    pod_spec,
    port,
    prestop,
    rolling,
    service_port,
)
from ipa.manifests.rights import RIGHTS
from ipa.manifests.wanted import Wanted

FINISH_S = 15  # `ipa router` lets requests finish for 9 s, `ipa adapt` finishes or undoes the step under way
# numba compiles the solver once a process and keeps it where it can write.
_ENV = [{"name": "NUMBA_CACHE_DIR", "value": "/tmp/numba"}]
CONFIG_HASH = "ipa/config-sha256"


def router_service(wanted: Wanted) -> Object:
    name = names.router(wanted.pipeline)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(wanted.pipeline, wanted.namespace, name, names.ROUTER),
        "spec": {
            "selector": own_selector(wanted.pipeline, names.ROUTER),
            "ports": [
                service_port(names.HTTP, names.HTTP_PORT),
                service_port(names.GRPC, names.GRPC_PORT),
                service_port(names.METRICS, names.ADMIN_PORT),
            ],
        },
    }


def router_deployment(wanted: Wanted) -> Object:
    """Ready is: every stage has a replica. Alive is: it answers."""
    ports = ["--port", names.HTTP_PORT, "--grpc-port", names.GRPC_PORT, "--admin-port", names.ADMIN_PORT]
    container = {
        "name": names.ROUTER,
        "args": ["router", CONFIG_FILE, "--host", "0.0.0.0", *map(str, ports)],
        "ports": [
            port(names.HTTP, names.HTTP_PORT),
            port(names.GRPC, names.GRPC_PORT),
            port(names.METRICS, names.ADMIN_PORT),
        ],
        "resources": _resources("1", "512Mi"),
        "lifecycle": prestop(LET_GO_S),
        **_probes("/v2/health/live", "/v2/health/ready", names.HTTP),
    }
    return _deployment(wanted, names.router(wanted.pipeline), names.ROUTER, container)


def controller_deployment(wanted: Wanted) -> Object:
    """One is enough: a lease keeps a second, which an update starts first, from acting."""
    container = {
        "name": names.CONTROLLER,
        "args": ["adapt", *RIGHTS[wanted.rights].arguments, CONFIG_FILE, "--metrics-port", str(names.ADMIN_PORT)],
        "ports": [port(names.METRICS, names.ADMIN_PORT)],
        "resources": _resources("1", "512Mi"),
        **_probes("/healthz", "/readyz", names.METRICS),
    }
    return _deployment(wanted, names.controller(wanted.pipeline), names.CONTROLLER, container)


def _deployment(wanted: Wanted, name: str, component: str, container: Object) -> Object:
    """Restarted when the config changes: both programs read it once."""
    pipeline = wanted.pipeline
    container = {"image": wanted.images.router, "env": _ENV, "volumeMounts": [CONFIG_MOUNT, TMP_MOUNT]} | container
    spec = pod_spec(container, [config_volume(pipeline)], {"serviceAccountName": name})
    about = {"labels": names.labels(pipeline, component), "annotations": {CONFIG_HASH: _hash(wanted)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(pipeline, wanted.namespace, name, component),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "strategy": rolling(),
            "selector": {"matchLabels": own_selector(pipeline, component)},
            "template": {
                "metadata": about,
                "spec": spec | {"terminationGracePeriodSeconds": LET_GO_S + FINISH_S},
            },
        },
    }


def _hash(wanted: Wanted) -> str:
    text = "\0".join(f"{name}\0{text}" for name, text in sorted(wanted.files.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _resources(cpu: str, memory: str) -> Object:
    asked = {"cpu": cpu, "memory": memory}
    return {"requests": asked, "limits": dict(asked)}


def _probes(live: str, ready: str, port_name: str) -> Object:
    def get(path: str) -> Object:
        return {"httpGet": {"path": path, "port": port_name}, "timeoutSeconds": 2}

    return {
        # Python imports what it needs while nobody waits for it yet.
        "startupProbe": get(live) | {"periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": get(ready) | {"periodSeconds": 2, "failureThreshold": 3},
        "livenessProbe": get(live) | {"periodSeconds": 10, "failureThreshold": 6},
    }
