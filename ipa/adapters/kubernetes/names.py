"""What ipa's objects are called and labelled in a cluster. Pure: manifests, controller and router agree by this file.

A name is for people and never read back: `cnn-s` and `cnn` with a stage `s-…` would be told apart by nothing. Who an
object is, is said by its annotations (exact names) and chosen by its labels (label-safe names).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

NAME = "app.kubernetes.io/name"
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "app.kubernetes.io/part-of"
COMPONENT = "app.kubernetes.io/component"
STAGE, VARIANT, HARDWARE = "ipa/stage", "ipa/variant", "ipa/hardware"
# Which Service an EndpointSlice belongs to (kubernetes.io/docs/reference/labels-annotations-taints).
SERVICE_NAME = "kubernetes.io/service-name"

MODEL, ROUTER, CONTROLLER = "model", "router", "controller"

# Field managers of server-side apply: who rendered the objects, and who controls them.
MANIFESTS_MANAGER, CONTROLLER_MANAGER = "ipa-manifests", "ipa"

MODEL_CONTAINER = "model"
ENV_CORES, ENV_STAGE, ENV_VARIANT = "IPA_CORES", "IPA_STAGE", "IPA_VARIANT"

HTTP_PORT, GRPC_PORT, ADMIN_PORT = 8080, 8081, 8082
HTTP, GRPC, METRICS = "http", "grpc", "metrics"

# A pod's name adds `-` and a ReplicaSet's hash (≤ 10 characters) and is cut where it would not fit into a label's 63.
NAME_LIMIT = 52
_LABEL_LIMIT = 63
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_RESERVED = (ROUTER, CONTROLLER, "config", "plan", "journal")


class Server(NamedTuple):
    """Which Deployment of a pipeline: its exact stage, variant and hardware."""

    stage: str
    variant: str
    hardware: str


def deployment(pipeline: str, server: Server) -> str:
    """Parts with hyphens of their own are told apart if only the variant, which lies between the others, has any."""
    return _named((pipeline, *server), (pipeline, server.stage, server.hardware))


def service(pipeline: str, stage: str) -> str:
    """The headless Service of a stage."""
    return _named((pipeline, stage), (stage,))


def router(pipeline: str) -> str:
    """The router's Deployment, Service and ServiceAccount."""
    return _own(pipeline, ROUTER)


def controller(pipeline: str) -> str:
    """The controller's Deployment, ServiceAccount, Role, RoleBinding and Lease."""
    return _own(pipeline, CONTROLLER)


def config_map(pipeline: str) -> str:
    """Config and profiles; owned by MANIFESTS_MANAGER."""
    return _own(pipeline, "config")


def plan_map(pipeline: str) -> str:
    """The plan that the router follows; owned by CONTROLLER_MANAGER."""
    return _own(pipeline, "plan")


def journal_map(pipeline: str) -> str:
    """The newest decisions; owned by CONTROLLER_MANAGER."""
    return _own(pipeline, "journal")


def policy(pipeline: str, component: str) -> str:
    """The NetworkPolicy of a component's pods."""
    return _own(pipeline, component)


def labels(pipeline: str, component: str) -> dict[str, str]:
    """What every object of a pipeline carries."""
    return {NAME: "ipa", MANAGED_BY: "ipa", PART_OF: label_value(pipeline), COMPONENT: component}


def model_labels(pipeline: str, server: Server) -> dict[str, str]:
    """What a model's Deployment and its pods carry, and what the Deployment selects its pods by."""
    stage, variant, hardware = map(label_value, server)
    return labels(pipeline, MODEL) | {STAGE: stage, VARIANT: variant, HARDWARE: hardware}


def stage_labels(pipeline: str, stage: str) -> dict[str, str]:
    """What the headless Service of a stage selects pods by."""
    return {PART_OF: label_value(pipeline), COMPONENT: MODEL, STAGE: label_value(stage)}


def model_annotations(server: Server) -> dict[str, str]:
    """The exact names, which labels may not be able to say."""
    return {STAGE: server.stage, VARIANT: server.variant, HARDWARE: server.hardware}


def server_of(annotations: Mapping[str, str] | None) -> Server | None:
    """The exact names of a model's Deployment or pod; None if it does not say them, as then it is not ipa's."""
    found = [(annotations or {}).get(key) for key in (STAGE, VARIANT, HARDWARE)]
    return Server(*(name for name in found if name is not None)) if None not in found else None


def selector(wanted: Mapping[str, str]) -> str:
    """Labels as the API's `labelSelector`."""
    return ",".join(f"{key}={value}" for key, value in wanted.items())


def label_value(name: str) -> str:
    """The name, or as much of it as a label may hold (63 characters, alphanumeric at both ends) and a hash of it."""
    if len(name) <= _LABEL_LIMIT and _LABEL_VALUE.fullmatch(name):
        return name
    return f"{_safe(name)[: _LABEL_LIMIT - 6]}-{_digest(name)}"


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).strip("._-")


def _own(pipeline: str, what: str) -> str:
    exact = f"{pipeline}-{what}"
    name = _dns(exact)
    return name if name == exact and len(name) <= NAME_LIMIT else _hashed(name, pipeline, what)


def _named(parts: tuple[str, ...], plain: tuple[str, ...]) -> str:
    """The parts joined. With a hash of them where the join alone would not tell them apart: a part that had to be
    changed, a hyphen in a part that must be `plain` (`a-b`, `c` and `a`, `b-c`), an end like that of `router`.
    """
    exact = "-".join(parts)
    name = _dns(exact)
    told_apart = parts[-1] not in _RESERVED and not any("-" in part for part in plain)
    return name if name == exact and len(name) <= NAME_LIMIT and told_apart else _hashed(name, *parts)


def _hashed(name: str, *parts: str) -> str:
    return f"{name[: NAME_LIMIT - 6].rstrip('-')}-{_digest(*parts)}"


def _dns(name: str) -> str:
    """Lower case letters, digits and hyphens, beginning with a letter: a Service's name is a label of RFC 1035."""
    clean = re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-")
    return clean if clean[:1].isalpha() else f"p{clean}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:5]
