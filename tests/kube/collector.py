"""Garbage collection by owner references, the end of namespaces, and what quotas say is used.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.kube import admission, quantity
from tests.kube.api import Api, Options
from tests.kube.resources import RESOURCES, Object, Resource, named
from tests.kube.store import Change

_BY_NAME = {resource.qualified: resource for resource in RESOURCES}
_STATUS = Options("kube-controller-manager", "status")


@dataclass
class Collector:
    """Deletes what lost its owner, waits for the dependents of a foreground deletion, empties dying namespaces."""

    api: Api
    _dying: set[tuple[str, str, str]] = field(default_factory=set)
    _counted: set[str] = field(default_factory=set)

    def hear(self, change: Change) -> None:
        kind, namespace, _ = change.key
        gone = change.new is None or "deletionTimestamp" in change.new["metadata"]
        if gone:
            self._dying.add(change.key)
        if kind in ("pods", "resourcequotas"):
            self._counted.add(namespace)

    def step(self, now_s: float) -> float | None:
        with self.api.store.changed:
            if self._dying:
                self._collect()
            counted, self._counted = self._counted, set()
            for namespace in counted:
                self._count(namespace)
        return None

    def _collect(self) -> None:
        """Sweeps the whole store: deletions are rare and the store is small."""
        objects = self.api.store.objects
        alive = {o["metadata"]["uid"]: o for o in objects.values()}
        for key, o in list(objects.items()):
            owners = o["metadata"].get("ownerReferences") or []
            if owners and all(_left(alive.get(owner["uid"])) for owner in owners) and key in objects:
                self._delete(key, o)
        for key, o in list(objects.items()):
            if key in objects and "foregroundDeletion" in o["metadata"].get("finalizers", []):
                self._finish_foreground(key, o)
            elif key[0] == "namespaces" and o["metadata"].get("deletionTimestamp"):
                self._empty(key)
        going = {key for key, o in objects.items() if "deletionTimestamp" in o["metadata"]}
        self._dying = {key for key in going if key[0] == "namespaces" or objects[key]["metadata"].get("finalizers")}

    def _delete(self, key: tuple[str, str, str], o: Object) -> None:
        if not o["metadata"].get("deletionTimestamp"):
            self.api.delete(_resource(key), key[1], key[2], {})

    def _finish_foreground(self, key: tuple[str, str, str], o: Object) -> None:
        uid = o["metadata"]["uid"]
        held = [d for d in self.api.store.objects.values() if _blocks(d, uid)]
        if not held:
            left = [f for f in o["metadata"]["finalizers"] if f != "foregroundDeletion"]
            meta = {name: value for name, value in o["metadata"].items() if name != "finalizers"}
            meta |= {"finalizers": left} if left else {}
            self.api.update(_resource(key), key[1], key[2], o | {"metadata": meta}, Options("kube-controller-manager"))

    def _empty(self, key: tuple[str, str, str]) -> None:
        inside = [(k, o) for k, o in list(self.api.store.objects.items()) if k[1] == key[2]]
        for k, o in inside:
            if k in self.api.store.objects:
                self._delete(k, o)
        if not any(k[1] == key[2] for k in self.api.store.objects):
            self.api.remove(named("namespaces"), "", key[2])

    def _count(self, namespace: str) -> None:
        for quota in self.api.store.selection(named("resourcequotas"), namespace):
            used = admission.used(self.api.store, namespace, quota)
            hard = quota["spec"].get("hard") or {}
            status = {"hard": hard, "used": {name: quantity.text(amount) for name, amount in used.items()}}
            name = quota["metadata"]["name"]
            self.api.update(named("resourcequotas"), namespace, name, quota | {"status": status}, _STATUS)


def _left(owner: Object | None) -> bool:
    """Whether an owner no longer keeps what it owns: gone, or going in the foreground."""
    return owner is None or "foregroundDeletion" in owner["metadata"].get("finalizers", [])


def _blocks(o: Object, uid: str) -> bool:
    return any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in o["metadata"].get("ownerReferences") or [])


def _resource(key: tuple[str, str, str]) -> Resource:
    return _BY_NAME[key[0]]
