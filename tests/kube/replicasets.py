"""The ReplicaSet controller: as many pods as asked for, and a status that counts them.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.kube.api import SYSTEM, Api, Options
from tests.kube.conditions import is_true, reference, set_condition, without_condition
from tests.kube.events import emit
from tests.kube.failures import Refused
from tests.kube.loops import RETRY_S
from tests.kube.resources import Object, named
from tests.kube.store import Change

_STATUS = Options("kube-controller-manager", "status")


@dataclass
class ReplicaSets:
    """Steps every ReplicaSet that itself or a pod of which changed."""

    api: Api
    _dirty: set[tuple[str, str]] = field(default_factory=set)
    _again: dict[tuple[str, str], float] = field(default_factory=dict)

    def hear(self, change: Change) -> None:
        kind, namespace, name = change.key
        if kind == "replicasets.apps":
            self._dirty.add((namespace, name))
        elif kind == "pods":
            for o in (change.old, change.new):
                for owner in (o or {"metadata": {}})["metadata"].get("ownerReferences") or []:
                    self._dirty.add((namespace, owner["name"]))

    def step(self, now_s: float) -> float | None:
        self._dirty |= {key for key, at_s in self._again.items() if at_s <= now_s}
        due, self._dirty = self._dirty, set()
        for key in due:
            self._again.pop(key, None)
            with self.api.store.changed:
                live = self.api.store.get(named("replicasets"), *key)
                if live is not None and not live["metadata"].get("deletionTimestamp"):
                    self._reconcile(live)
        return min(self._again.values(), default=None)

    def _reconcile(self, rs: Object) -> None:
        namespace = rs["metadata"]["namespace"]
        pods = self.api.store.dependents(named("pods"), rs)
        active = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
        surplus = len(active) - int(rs["spec"]["replicas"])
        failure = ""
        if surplus < 0:
            failure = self._create(rs, -surplus)
        for pod in sorted(active, key=_keep_last)[: max(0, surplus)]:
            self.api.delete(named("pods"), namespace, pod["metadata"]["name"], {})
        left = self.api.store.dependents(named("pods"), rs)
        self._count(rs, left, failure)

    def _create(self, rs: Object, count: int) -> str:
        """Creates pods; the message of what refused one, else ""."""
        namespace = rs["metadata"]["namespace"]
        for _ in range(count):
            template = copy.deepcopy(rs["spec"]["template"])
            meta = template["metadata"] | {"generateName": f"{rs['metadata']['name']}-"}
            meta["ownerReferences"] = [reference(rs)]
            try:
                self.api.create(named("pods"), namespace, template | {"metadata": meta}, SYSTEM)
            except Refused as refused:
                said = f"Error creating: {refused.message}"
                emit(self.api, rs, "Warning", "FailedCreate", said, "replicaset-controller")
                self._again[(namespace, rs["metadata"]["name"])] = time.monotonic() + RETRY_S
                return refused.message
        return ""

    def _count(self, rs: Object, pods: list[Object], failure: str) -> None:
        active = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
        ready = [p for p in active if is_true(p, "Ready")]
        wait_s = [self._not_yet_s(rs, p) for p in ready]
        counts = {
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": len(ready),
            "availableReplicas": sum(1 for left_s in wait_s if left_s <= 0),
            "terminatingReplicas": len(pods) - len(active),
            "observedGeneration": rs["metadata"]["generation"],
        }
        if any(left_s > 0 for left_s in wait_s):
            key = (rs["metadata"]["namespace"], rs["metadata"]["name"])
            self._again[key] = time.monotonic() + min(left_s for left_s in wait_s if left_s > 0)
        conditions = (rs.get("status") or {}).get("conditions") or []
        if failure:
            conditions = set_condition(conditions, "ReplicaFailure", "True", "FailedCreate", failure)
        else:
            conditions = without_condition(conditions, "ReplicaFailure")
        status = {name: n for name, n in counts.items() if n or name in ("replicas", "observedGeneration")}
        status |= {"conditions": conditions} if conditions else {}
        meta = rs["metadata"]
        self.api.update(named("replicasets"), meta["namespace"], meta["name"], rs | {"status": status}, _STATUS)

    def _not_yet_s(self, rs: Object, pod: Object) -> float:
        """Seconds until a ready pod has been so for minReadySeconds."""
        least_s = float(rs["spec"].get("minReadySeconds") or 0)
        if not least_s:
            return 0.0
        since = next(c["lastTransitionTime"] for c in pod["status"]["conditions"] if c["type"] == "Ready")
        return least_s - (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()


def _keep_last(pod: Object) -> tuple[bool, bool, float]:
    """Which pods go first: not on a node, then not ready, then the youngest (client-go's ActivePods order)."""
    born = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
    return bool(pod["spec"].get("nodeName")), is_true(pod, "Ready"), -born
