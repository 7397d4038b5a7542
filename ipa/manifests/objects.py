"""What the objects of a pipeline have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipa.adapters.kubernetes import names

Object = dict[str, Any]

CONFIG_FOLDER = "/etc/ipa"
CONFIG_FILE = f"{CONFIG_FOLDER}/config.yaml"
USER = 65532  # `nonroot` of the images in scripts/docker; any id but 0 does
LET_GO_S = 5  # the router lets go of an endpoint within 2 s, a cluster's proxies of a Service's within a few


def metadata(
    pipeline: str, namespace: str, name: str, component: str, annotations: Mapping[str, str] | None = None
) -> Object:
    found: Object = {"name": name, "namespace": namespace, "labels": names.labels(pipeline, component)}
    return found | ({"annotations": dict(annotations)} if annotations else {})


def pod_spec(container: Object, volumes: Sequence[Object], account: Mapping[str, Any]) -> Object:
    """Under the restricted Pod Security Standard (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    return {
        **account,
        # One variable a Service of the namespace, and ours could be taken for settings of a model server.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container | _CONTAINED],
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
    }


_CONTAINED: Object = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "workingDir": "/tmp",  # the one folder that can be written to
}

TMP_MOUNT: Object = {"name": "tmp", "mountPath": "/tmp"}
CONFIG_MOUNT: Object = {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}


def config_volume(pipeline: str) -> Object:
    return {"name": "config", "configMap": {"name": names.config_map(pipeline)}}


def port(name: str, number: int) -> Object:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def service_port(name: str, number: int) -> Object:
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}


def own_selector(pipeline: str, component: str) -> dict[str, str]:
    return {names.PART_OF: names.label_value(pipeline), names.COMPONENT: component}


def prestop(seconds: int) -> Object:
    """Without a shell in the container (kubernetes.io/docs/concepts/containers/container-lifecycle-hooks, Sleep)."""
    return {"preStop": {"sleep": {"seconds": seconds}}}


def rolling() -> Object:
    """A new pod is ready before an old one goes."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
