"""Objects under one counter of versions, with the history that watches and old lists are answered from.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
Stored objects are never changed in place: whoever reads one may keep it, whoever writes puts a new one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from tests.kube import failures
from tests.kube.resources import Object, Resource

KEPT = 2_000
Key = tuple[str, str, str]  # qualified resource, namespace ("" for the cluster), name


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `old` None is an addition, `new` None a deletion."""

    version: int
    key: Key
    old: Object | None
    new: Object | None


class Store:
    """All access under `changed`, a condition that is notified at every write."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = 1
        self.oldest = 1
        self.objects: dict[Key, Object] = {}
        self.history: list[Change] = []
        self.nudges = 0
        self._keys: dict[str, set[Key]] = {}
        self._owned: dict[str, set[Key]] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        with self.changed:
            return self.objects.get((resource.qualified, namespace, name))

    def put(self, key: Key, new: Object | None) -> Object:
        """Writes one object (None deletes) under the next version and tells everybody; what a deletion returns is the
        last state under the version of the deletion."""
        with self.changed:
            self.version += 1
            old = self.objects.get(key)
            state = new if new is not None else old
            assert state is not None
            stamped = state | {"metadata": state["metadata"] | {"resourceVersion": str(self.version)}}
            if new is None:
                del self.objects[key]
                self._keys[key[0]].discard(key)
            else:
                self.objects[key] = stamped
                self._keys.setdefault(key[0], set()).add(key)
            self.history.append(Change(self.version, key, old, stamped if new is not None else None))
            self._index(key, old, None if new is None else stamped)
            self._trim()
            self.changed.notify_all()
            return stamped

    def selection(self, resource: Resource, namespace: str, version: int | None = None) -> list[Object]:
        """The objects of a resource in a namespace ("" all), by namespace and name, as they stood at `version`."""
        with self.changed:
            objects = self.objects if version is None else self._at(version)
            keys = self._keys.get(resource.qualified, set()) if version is None else objects
            found = [key for key in keys if key[0] == resource.qualified and namespace in ("", key[1])]
            return [objects[key] for key in sorted(found)]

    def dependents(self, resource: Resource, owner: Object) -> list[Object]:
        """The objects of a resource that name an owner, by name."""
        with self.changed:
            keys = self._owned.get(owner["metadata"]["uid"], set())
            return [self.objects[key] for key in sorted(keys) if key[0] == resource.qualified]

    def _index(self, key: Key, old: Object | None, new: Object | None) -> None:
        for o, note in ((old, set.discard), (new, set.add)):
            for owner in (o["metadata"].get("ownerReferences") if o else None) or []:
                note(self._owned.setdefault(owner["uid"], set()), key)

    def _trim(self) -> None:
        """A real server forgets after minutes; here the number of changes bounds the memory."""
        if len(self.history) > 2 * KEPT:
            self.oldest = self.history[-KEPT - 1].version
            del self.history[:-KEPT]

    def _at(self, version: int) -> dict[Key, Object]:
        if version < self.oldest:
            raise failures.too_old(version, self.oldest)
        objects = dict(self.objects)
        for change in reversed(self.history):
            if change.version <= version:
                break
            if change.old is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.old
        return objects

    def nudge(self) -> None:
        """Wakes whoever waits though nothing was written: a setting or a process changed."""
        with self.changed:
            self.nudges += 1
            self.changed.notify_all()

    def since(self, version: int) -> list[Change]:
        """The changes after a version. Errors: 410 where the history no longer reaches back to it."""
        with self.changed:
            if version < self.oldest:
                raise failures.too_old(version, self.oldest)
            fresh = []
            for change in reversed(self.history):
                if change.version <= version:
                    break
                fresh.append(change)
            return fresh[::-1]

    def compact(self) -> None:
        """Forgets the history: whoever resumes from before now gets 410."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.history.clear()
            self.changed.notify_all()
