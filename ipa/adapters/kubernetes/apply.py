"""Server-side apply of exactly what ipa owns of a model's Deployment: its replicas, and the size of its pods."""

from __future__ import annotations

from collections.abc import Iterable

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import APPLY_PATCH, Connection, Json, Refused
from ipa.adapters.kubernetes.observe import Deployment, deployment_named
from ipa.adapters.kubernetes.resources import model_resources
from ipa.adapters.kubernetes.way import Size
from ipa.errors import ServingError, Unavailable

CONFLICTS = 10
"""So often in a row may somebody else change an object between our reading and our writing."""
FIRST_CONFLICT_S = 0.02


def set_size(connection: Connection, name: str, size: Size, memory_mb: float | None, *, dry_run: bool = False) -> None:
    """Applies `size` to the Deployment unless it has it, again after each conflict.

    It is applied to the version that was read, so what was true when it was checked is true when it is written, and
    what a stalled leader still sends after another one has acted is refused.
    Raises Unavailable, Refused, or ServingError where somebody else owns the fields.
    """
    for attempt in range(CONFLICTS):
        deployment = deployment_named(connection, name)
        if (deployment.replicas, deployment.cores) == (size.replicas, size.cores):
            return
        refuse_foreign([deployment])
        try:
            _apply(connection, deployment, size, memory_mb, dry_run=dry_run)
        except Refused as error:
            if error.status != 409:
                raise
            connection.sleep(FIRST_CONFLICT_S * 2**attempt * connection.jitter())
        else:
            return
    raise Unavailable(f"Deployment {name}: changed by others {CONFLICTS} times while it was being changed")


def _apply(
    connection: Connection, deployment: Deployment, size: Size, memory_mb: float | None, *, dry_run: bool
) -> None:
    query = {"fieldManager": names.CONTROLLER_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
    path = connection.path("apps/v1", "deployments", deployment.name)
    connection.patch(path, fields(deployment, size, memory_mb), APPLY_PATCH, query)


def fields(deployment: Deployment, size: Size, memory_mb: float | None) -> Json:
    """The apply configuration. A field that is not in it and was ours would be removed: it is always whole.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    container = {
        "name": names.MODEL_CONTAINER,
        "resources": model_resources(size.cores, memory_mb),
        "env": [{"name": names.ENV_CORES, "value": str(size.cores)}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment.name, "resourceVersion": deployment.version},
        "spec": {"replicas": size.replicas, "template": {"spec": {"containers": [container]}}},
    }


# --- whom it may take a field from ------------------------------------------------------------------------------

# The last is the autoscaler's, which is known by its object (`refuse_autoscaled`): its mark outlives it.
_OVERRULED = (names.CONTROLLER_MANAGER, names.MANIFESTS_MANAGER, "kube-controller-manager")


def refuse_foreign(deployments: Iterable[Deployment]) -> None:
    """Raises ServingError if another controller owns a field that ipa would set."""
    for deployment in deployments:
        reason = foreign(deployment)
        if reason:
            raise ServingError(reason)


def foreign(deployment: Deployment) -> str:
    """Which other controller sets ipa's fields, "" if none: people and their tools are overruled, controllers fought.

    kubectl calls itself kubectl, kubectl-client-side-apply, kubectl-edit and so on.
    """
    for field, owner in deployment.owners.items():
        if owner not in _OVERRULED and not owner.startswith("kubectl"):
            rule = "two controllers of one field would undo each other; take one away"
            return f"Deployment {deployment.name}: its {field} is set by {owner!r}: {rule}"
    return ""


def refuse_autoscaled(connection: Connection, deployments: Iterable[Deployment]) -> None:
    """Raises ServingError if a HorizontalPodAutoscaler targets one of them."""
    ours = {d.name for d in deployments}
    listed = connection.get(connection.path("autoscaling/v2", "horizontalpodautoscalers"))
    for item in listed.get("items") or ():
        target = item["spec"]["scaleTargetRef"]
        if target.get("kind") == "Deployment" and target.get("name") in ours:
            name = item["metadata"]["name"]
            rule = f"delete it with `kubectl delete hpa {name}`, or leave the pipeline to it"
            raise ServingError(f"HorizontalPodAutoscaler {name} scales Deployment {target['name']}: {rule}")
