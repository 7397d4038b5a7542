"""Conditions of a status, with the time of their last change of side.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
"""

from __future__ import annotations

from tests.kube.objects import now_text
from tests.kube.resources import Object


def set_condition(
    conditions: list[Object], kind: str, status: str, reason: str = "", message: str = ""
) -> list[Object]:
    """The conditions with one set; the transition time moves only when `status` does."""
    old = next((c for c in conditions if c["type"] == kind), None)
    since = old["lastTransitionTime"] if old and old["status"] == status else now_text()
    new: Object = {"type": kind, "status": status, "lastTransitionTime": since}
    new |= {name: value for name, value in (("reason", reason), ("message", message)) if value}
    if old is None:
        return [*conditions, new]
    return [new if c is old else c for c in conditions]


def without_condition(conditions: list[Object], kind: str) -> list[Object]:
    return [c for c in conditions if c["type"] != kind]


def is_true(o: Object, kind: str) -> bool:
    conditions = (o.get("status") or {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def reference(owner: Object) -> Object:
    meta = owner["metadata"]
    who = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return who | {"controller": True, "blockOwnerDeletion": True}
