"""What runs: the pipeline's Deployments and pods, in two list calls, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import Connection, Json
from ipa.adapters.kubernetes.names import Server
from ipa.errors import ServingError

PAGE = 500
"""https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One server's Deployment. `owners`: who last set each field that ipa sets, where anybody did.

    `complete`: every replica is of the newest template and available, as `kubectl rollout status` has it.
    `failure`: why its ReplicaSet cannot create pods, "" if it can.
    """

    name: str
    uid: str
    version: str
    server: Server
    cores: int
    replicas: int
    complete: bool
    failure: str
    owners: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pod:
    """`unplaced`: what the scheduler says against it, "" once it has a node. `trouble`: why its container waits."""

    name: str
    server: Server
    cores: int
    ready: bool
    placed: bool
    terminating: bool
    unplaced: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Seen:
    """`pods` is None where nobody needed to look: every Deployment was complete."""

    deployments: tuple[Deployment, ...]
    pods: tuple[Pod, ...] | None = None

    def of(self, server: Server) -> Deployment:
        """Raises ServingError if there is none."""
        for deployment in self.deployments:
            if deployment.server == server:
                return deployment
        stage, variant, hardware = server
        what = f"no Deployment for stage {stage}, variant {variant}, hardware {hardware}"
        raise ServingError(f"{what}: apply what `ipa manifests` renders first")


def observe(connection: Connection, pipeline: str, stages: Iterable[str], *, with_pods: bool = False) -> Seen:
    """The models of these stages; pods only where a Deployment is not complete, or if asked for.

    Raises Unavailable, Refused, or ServingError for an object that breaks a rule.
    """
    known = frozenset(stages)
    labelled = names.selector(names.labels(pipeline, names.MODEL))
    found = _listed(connection, connection.path("apps/v1", "deployments"), labelled)
    deployments = tuple(d for item in found if (d := _deployment(item)) is not None and d.server.stage in known)
    if not with_pods and all(d.complete for d in deployments):
        return Seen(deployments)
    items = _listed(connection, connection.path("v1", "pods"), labelled)
    pods = tuple(p for item in items if (p := _pod(item)) is not None and p.server.stage in known)
    return Seen(deployments, pods)


def deployment_named(connection: Connection, name: str) -> Deployment:
    """One Deployment as it is now. Raises as `observe` does."""
    found = _deployment(connection.get(connection.path("apps/v1", "deployments", name)))
    if found is None:
        raise ServingError(f"Deployment {name}: its annotations do not say stage, variant and hardware")
    return found


def _listed(connection: Connection, path: str, selector: str) -> list[Json]:
    query = {"labelSelector": selector, "limit": str(PAGE)}
    items: list[Json] = []
    while True:
        page = connection.get(path, query)
        items += page.get("items") or []
        token = page.get("metadata", {}).get("continue")
        if not token:
            return items
        query = query | {"continue": token}


def _deployment(item: Json) -> Deployment | None:
    """None for an object without the annotations that say which server it is: it is not ipa's."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    server = names.server_of(meta.get("annotations"))
    if server is None:
        return None
    replicas = int(spec.get("replicas", 1))
    return Deployment(
        name=meta["name"],
        uid=meta.get("uid", ""),
        version=meta["resourceVersion"],
        server=server,
        cores=_cores(spec["template"]["spec"], f"Deployment {meta['name']}"),
        replicas=replicas,
        complete=_complete(meta, replicas, status),
        failure=_failure(status),
        owners=owners(meta.get("managedFields") or ()),
    )


def _complete(meta: Json, replicas: int, status: Json) -> bool:
    """https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#complete-deployment"""
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return False
    updated, total = status.get("updatedReplicas") or 0, status.get("replicas") or 0
    available = status.get("availableReplicas") or 0
    return bool(updated == replicas and total == replicas and available == replicas)


def _failure(status: Json) -> str:
    """A quota or a LimitRange speaks through this condition: pods are made by the ReplicaSet, not by whoever applies.

    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
    """
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message") or condition.get("reason") or "pods cannot be created")
    return ""


def _pod(item: Json) -> Pod | None:
    meta, status = item["metadata"], item.get("status") or {}
    server = names.server_of(meta.get("annotations"))
    if server is None or status.get("phase") in ("Succeeded", "Failed"):
        return None
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    refused = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    return Pod(
        name=meta["name"],
        server=server,
        cores=_cores(item["spec"], f"pod {meta['name']}"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        placed=bool(item["spec"].get("nodeName")),
        terminating="deletionTimestamp" in meta,
        unplaced=str(scheduled.get("message") or "Unschedulable") if refused else "",
        trouble=_trouble(status),
    )


def _trouble(status: Json) -> str:
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return ": ".join(part for part in (waiting["reason"], waiting.get("message")) if part)
    return ""


def _cores(pod_spec: Json, where: str) -> int:
    """Whole cores: `2` or `2000m`. Raises ServingError for anything else."""
    container = next((c for c in pod_spec["containers"] if c["name"] == names.MODEL_CONTAINER), None)
    if container is None:
        raise ServingError(f"{where}: no container is called {names.MODEL_CONTAINER!r}")
    text = str(((container.get("resources") or {}).get("requests") or {}).get("cpu", "nothing"))
    number, thousandths = (text[:-1], 1000) if text.endswith("m") else (text, 1)
    if not number.isdecimal() or int(number) == 0 or int(number) % thousandths:
        raise ServingError(f"{where}: its model requests {text} of cpu; it must be a whole number of cores, at least 1")
    return int(number) // thousandths


# --- who set what -------------------------------------------------------------------------------------------

REPLICAS, RESOURCES, CORES_ENV = "replicas", "resources", "env IPA_CORES"
_SPEC = "f:spec"
_CONTAINER = (_SPEC, "f:template", "f:spec", "f:containers", f'k:{{"name":"{names.MODEL_CONTAINER}"}}')
_OWNED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (REPLICAS, (_SPEC, "f:replicas")),
    (RESOURCES, (*_CONTAINER, "f:resources")),
    (CORES_ENV, (*_CONTAINER, "f:env", f'k:{{"name":"{names.ENV_CORES}"}}')),
)


def owners(managed_fields: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Who last set each field that ipa sets; where several own one, one that is not ipa.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    found: dict[str, str] = {}
    for entry in sorted(managed_fields, key=lambda e: e.get("manager") != names.CONTROLLER_MANAGER):
        for field, path in _OWNED:
            if _holds(entry.get("fieldsV1") or {}, path):
                found[field] = str(entry.get("manager", ""))
    return found


def _holds(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for part in path:
        if part not in fields:
            return False
        fields = fields[part]
    return True
