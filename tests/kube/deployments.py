"""The Deployment controller: a ReplicaSet per pod template, rolled over within surge and unavailability.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field

from tests.kube import rollout
from tests.kube.api import SYSTEM, Api, Options
from tests.kube.conditions import reference, set_condition, without_condition
from tests.kube.events import emit
from tests.kube.failures import Refused
from tests.kube.loops import RETRY_S
from tests.kube.resources import Object, named
from tests.kube.rollout import Size
from tests.kube.store import Change

_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"
_STATUS = Options("kube-controller-manager", "status")


@dataclass
class Deployments:
    """Steps every Deployment that itself or a ReplicaSet of which changed; `_progress` holds when each last moved."""

    api: Api
    _dirty: set[tuple[str, str]] = field(default_factory=set)
    _again: dict[tuple[str, str], float] = field(default_factory=dict)
    _progress: dict[str, tuple[str, float]] = field(default_factory=dict)

    def hear(self, change: Change) -> None:
        kind, namespace, name = change.key
        if kind == "deployments.apps":
            self._dirty.add((namespace, name))
        elif kind == "replicasets.apps":
            for o in (change.old, change.new):
                for owner in (o or {"metadata": {}})["metadata"].get("ownerReferences") or []:
                    self._dirty.add((namespace, owner["name"]))

    def step(self, now_s: float) -> float | None:
        self._dirty |= {key for key, at_s in self._again.items() if at_s <= now_s}
        due, self._dirty = self._dirty, set()
        for key in due:
            self._again.pop(key, None)
            with self.api.store.changed:
                live = self.api.store.get(named("deployments"), *key)
                if live is not None and not live["metadata"].get("deletionTimestamp"):
                    try:
                        self._reconcile(live, now_s)
                    except Refused:  # as in a namespace that is going: try again, as every controller does
                        self._again[key] = now_s + RETRY_S
        return min(self._again.values(), default=None)

    def _reconcile(self, deployment: Object, now_s: float) -> None:
        owned = self._owned(deployment)
        template = deployment["spec"]["template"]
        new = next((rs for rs in owned if _template(rs) == template), None)
        old = [rs for rs in owned if rs is not new]
        if not deployment["spec"].get("paused"):
            if new is None and self._may_start(deployment, old):
                new = self._create(deployment, old)
            self._roll(deployment, new, old)
        elif new is not None and not any(int(rs["spec"]["replicas"]) for rs in old):
            self._scale(deployment, new, int(deployment["spec"]["replicas"]))
        self._tell(deployment, now_s)

    def _owned(self, deployment: Object) -> list[Object]:
        """Its ReplicaSets, oldest first."""
        return sorted(self.api.store.dependents(named("replicasets"), deployment), key=_revision)

    def _may_start(self, deployment: Object, old: list[Object]) -> bool:
        """Recreate waits until no old pod is left."""
        if deployment["spec"]["strategy"]["type"] != "Recreate":
            return True
        for rs in old:
            self._scale(deployment, rs, 0)
        return not any(self.api.store.dependents(named("pods"), rs) for rs in old)

    def _create(self, deployment: Object, old: list[Object]) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        template = copy.deepcopy(spec["template"])
        digest = _digest(template)
        template["metadata"]["labels"] = template["metadata"].get("labels", {}) | {_HASH: digest}
        selector = copy.deepcopy(spec["selector"])
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | {_HASH: digest}
        revision = str(max((_revision(rs) for rs in old), default=0) + 1)
        body: Object = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "labels": template["metadata"]["labels"],
                "annotations": {_REVISION: revision},
                "ownerReferences": [reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        created = self.api.create(named("replicasets"), meta["namespace"], body, SYSTEM)
        self._annotate(deployment, revision)
        return created

    def _roll(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        if new is None:
            return
        replicas = int(deployment["spec"]["replicas"])
        if old and _revision(new) < max(_revision(rs) for rs in old):
            new = self._renumber(deployment, new, old)
        surge, unavailable = rollout.bounds(deployment)
        sizes = [_size(rs) for rs in old if int(rs["spec"]["replicas"])]
        size = _size(new)
        wanted = rollout.new_size(replicas, surge, size, sizes) if sizes else replicas
        if wanted != size.wanted:
            self._scale(deployment, new, wanted)
            return  # one step at a time: the old go down once the new has been counted
        targets = rollout.old_sizes(replicas, unavailable, size, sizes)
        for rs in old:
            self._scale(deployment, rs, targets.get(rs["metadata"]["name"], 0))
        limit = int(deployment["spec"].get("revisionHistoryLimit", 10))
        spent = [rs for rs in old if not int(rs["spec"]["replicas"]) and not rs["status"].get("replicas")]
        for rs in spent[: max(0, len(spent) - limit)]:
            self.api.delete(named("replicasets"), rs["metadata"]["namespace"], rs["metadata"]["name"], {})

    def _renumber(self, deployment: Object, new: Object, old: list[Object]) -> Object:
        """Back to an earlier template: its ReplicaSet gets the newest revision."""
        revision = str(max(_revision(rs) for rs in old) + 1)
        meta = new["metadata"] | {"annotations": new["metadata"].get("annotations", {}) | {_REVISION: revision}}
        self._annotate(deployment, revision)
        return self.api.update(named("replicasets"), meta["namespace"], meta["name"], new | {"metadata": meta}, SYSTEM)

    def _annotate(self, deployment: Object, revision: str) -> None:
        """Under /status, where a Deployment's annotations may change: that makes no new generation."""
        meta = deployment["metadata"]
        patch = {"metadata": {"annotations": {_REVISION: revision}}}
        kind = "application/merge-patch+json"
        self.api.patch(named("deployments"), meta["namespace"], meta["name"], kind, patch, _STATUS)

    def _scale(self, deployment: Object, rs: Object, replicas: int) -> None:
        live = self.api.get(named("replicasets"), rs["metadata"]["namespace"], rs["metadata"]["name"])
        meta, spec = live["metadata"], live["spec"] | {"replicas": replicas}
        before = int(live["spec"]["replicas"])
        if before == replicas:
            return
        self.api.update(named("replicasets"), meta["namespace"], meta["name"], live | {"spec": spec}, SYSTEM)
        way = "up" if replicas > before else "down"
        said = f"Scaled {way} replica set {meta['name']} from {before} to {replicas}"
        emit(self.api, deployment, "Normal", "ScalingReplicaSet", said, "deployment-controller")

    def _tell(self, deployment: Object, now_s: float) -> None:
        """Writes the status from the ReplicaSets as they are now."""
        meta = deployment["metadata"]
        live = self.api.get(named("deployments"), meta["namespace"], meta["name"])
        owned = self._owned(live)
        new = next((rs for rs in owned if _template(rs) == live["spec"]["template"]), None)
        counts = _counts(live, owned, new)
        conditions = _availability((live.get("status") or {}).get("conditions") or [], live, counts)
        conditions = self._progressing(conditions, live, counts, new, now_s)
        conditions = _failure(conditions, owned)
        shown = {name: n for name, n in counts.items() if n or name == "observedGeneration"}
        status = shown | {"conditions": conditions}
        self.api.update(named("deployments"), meta["namespace"], meta["name"], live | {"status": status}, _STATUS)

    def _progressing(
        self, conditions: list[Object], live: Object, counts: dict[str, int], new: Object | None, now_s: float
    ) -> list[Object]:
        """https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment"""
        uid, name = live["metadata"]["uid"], live["metadata"]["name"]
        rs = new["metadata"]["name"] if new else ""
        wanted = int(live["spec"]["replicas"])
        if new and counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted:
            said = f'ReplicaSet "{rs}" has successfully progressed.'
            self._progress.pop(uid, None)
            return set_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", said)
        state = json.dumps([live["metadata"]["generation"], rs, counts], sort_keys=True)
        seen, since_s = self._progress.get(uid, ("", now_s))
        if state != seen:
            self._progress[uid] = (state, now_s)
            since_s = now_s
        ends_s = since_s + float(live["spec"]["progressDeadlineSeconds"])
        if now_s >= ends_s:
            said = f'ReplicaSet "{rs}" has timed out progressing.'
            return set_condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded", said)
        self._again[(live["metadata"]["namespace"], name)] = ends_s
        said = f'ReplicaSet "{rs}" is progressing.'
        return set_condition(conditions, "Progressing", "True", "ReplicaSetUpdated", said)


def _counts(live: Object, owned: list[Object], new: Object | None) -> dict[str, int]:
    def total(name: str) -> int:
        return sum(int(rs.get("status", {}).get(name, 0)) for rs in owned)

    wanted = sum(int(rs["spec"]["replicas"]) for rs in owned)
    available = total("availableReplicas")
    return {
        "observedGeneration": int(live["metadata"]["generation"]),
        "replicas": total("replicas"),
        "updatedReplicas": int((new or {}).get("status", {}).get("replicas", 0)),
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
        "terminatingReplicas": total("terminatingReplicas"),
    }


def _availability(conditions: list[Object], live: Object, counts: dict[str, int]) -> list[Object]:
    least = int(live["spec"]["replicas"]) - rollout.bounds(live)[1]
    if counts["availableReplicas"] >= least:
        said = "Deployment has minimum availability."
        return set_condition(conditions, "Available", "True", "MinimumReplicasAvailable", said)
    said = "Deployment does not have minimum availability."
    return set_condition(conditions, "Available", "False", "MinimumReplicasUnavailable", said)


def _failure(conditions: list[Object], owned: list[Object]) -> list[Object]:
    for rs in owned:
        for condition in rs.get("status", {}).get("conditions", []):
            if condition["type"] == "ReplicaFailure":
                return set_condition(conditions, "ReplicaFailure", "True", condition["reason"], condition["message"])
    return without_condition(conditions, "ReplicaFailure")


def _size(rs: Object) -> Size:
    return Size(rs["metadata"]["name"], int(rs["spec"]["replicas"]), int(rs["status"].get("availableReplicas", 0)))


def _revision(rs: Object) -> int:
    return int((rs["metadata"].get("annotations") or {}).get(_REVISION, 0))


def _template(rs: Object) -> Object:
    """A ReplicaSet's template without the label of its hash: what the Deployment's is compared with."""
    template = rs["spec"]["template"]
    labels = {k: v for k, v in (template["metadata"].get("labels") or {}).items() if k != _HASH}
    return dict(template | {"metadata": template["metadata"] | {"labels": labels}})


def _digest(template: Object) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
