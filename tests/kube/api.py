"""The verbs on stored objects: create, update, patch, apply, delete, with every rule that a client can run into.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.kube import conformance, defaults, failures, merging, ownership, schema
from tests.kube.objects import (
    FIRST_STATUS,
    GENERATIONS,
    applicable,
    check_name,
    gone,
    grace_s,
    is_new_generation,
    keep_identity,
    may_go,
    now_text,
    suffix,
    unchanged,
    writable,
)
from tests.kube.ownership import Writer
from tests.kube.resources import Object, Resource, named
from tests.kube.store import Store

Admission = Callable[[Resource, Object, Object | None], Object]
_NO_BLIND_UPDATE = {"leases", "poddisruptionbudgets"}  # a replace without a resourceVersion is refused
_CREATED_BY_UPDATE = {"leases", "services", "events", "limitranges", "roles", "rolebindings"}


@dataclass(frozen=True, slots=True)
class Options:
    """What a write says beside its body; `subresource` is "", "status" or "scale"."""

    manager: str
    subresource: str = ""
    dry_run: bool = False
    force: str = "refuse"


SYSTEM = Options("kube-controller-manager")


@dataclass
class Api:
    """The verbs over one store; `admissions` see every object before it is stored and may change or refuse it."""

    store: Store
    admissions: list[Admission] = field(default_factory=list)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self.store.get(resource, namespace, name)
        if found is None:
            raise failures.not_found(resource, name)
        return found

    def create(self, resource: Resource, namespace: str, body: Object, options: Options) -> Object:
        with self.store.changed:
            new = self._fresh(resource, namespace, body)
            name = new["metadata"]["name"]
            if self.store.get(resource, namespace, name) is not None:
                raise failures.already_exists(resource, name)
            new = ownership.written(resource, {}, new, self._writer(resource, "Update", options), now_text())
            stored = self._commit(resource, namespace, name, new, None, options)
            if resource.plural == "namespaces" and not options.dry_run:
                self._furnish(name)
            return stored

    def _furnish(self, namespace: str) -> None:
        """What controllers put into every namespace; a real server is a moment later with it."""
        self.create(named("serviceaccounts"), namespace, {"metadata": {"name": "default"}}, SYSTEM)
        root = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}}
        self.create(named("configmaps"), namespace, root, SYSTEM)

    def update(self, resource: Resource, namespace: str, name: str, body: Object, options: Options) -> Object:
        with self.store.changed:
            live = self.store.get(resource, namespace, name)
            if live is None and resource.plural in _CREATED_BY_UPDATE and not options.subresource:
                return self.create(resource, namespace, body, options)
            live = self.get(resource, namespace, name)
            check_name(body, name)
            if resource.plural in _NO_BLIND_UPDATE and not body.get("metadata", {}).get("resourceVersion"):
                why = "Invalid value: 0: must be specified for an update"
                raise failures.invalid(resource, name, "metadata.resourceVersion", why)
            return self._change(resource, namespace, live, body, options)

    def patch(self, resource: Resource, namespace: str, name: str, kind: str, patch: Any, options: Options) -> Object:
        """`kind` is the media type of the patch."""
        with self.store.changed:
            live = self.get(resource, namespace, name)
            body = conformance.decoded(resource, self._patched(resource, live, kind, patch))
            check_name(body, name)
            return self._change(resource, namespace, live, body, options)

    def apply(self, resource: Resource, namespace: str, name: str, config: Object, options: Options) -> Object:
        """Server-side apply: creates what is not there. Errors: 409 with the causes."""
        with self.store.changed:
            check_name(config, name)
            live = self.store.get(resource, namespace, name)
            if (config.get("metadata") or {}).get("managedFields"):
                raise failures.bad_request("metadata.managedFields must be nil")
            writer = self._writer(resource, "Apply", options)
            config = applicable(resource, config, options.subresource)
            if live is None:
                fresh = self._fresh(resource, namespace, config)
                empty = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
                owners = ownership.applied(resource, empty, config, writer, "force", now_text())["metadata"]
                fresh["metadata"]["managedFields"] = owners["managedFields"]
                return self._commit(resource, namespace, name, fresh, None, options)
            self._check_version(resource, live, config)
            new = ownership.applied(resource, live, config, writer, options.force, now_text())
            return self._store_change(resource, namespace, live, new, options)

    def delete(self, resource: Resource, namespace: str, name: str, body: Object, dry_run: bool = False) -> Object:
        """Answers the object while it is on its way, a Status once it is gone."""
        with self.store.changed:
            live = self.get(resource, namespace, name)
            self._check_preconditions(resource, live, body.get("preconditions") or {})
            if dry_run:
                return gone(resource, live)
            return self._delete(resource, namespace, live, body)

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Takes an object out for good, as a kubelet or the garbage collector does in the end."""
        with self.store.changed:
            if self.store.get(resource, namespace, name) is not None:
                self.store.put((resource.qualified, namespace, name), None)

    def _fresh(self, resource: Resource, namespace: str, body: Object) -> Object:
        if resource.namespaced:
            self._check_namespace(namespace, resource)
        new = defaults.defaulted(resource, body)
        meta = new.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + suffix()
        if not meta.get("name"):
            raise failures.invalid(resource, "", "metadata.name", "Required value: name or generateName is required")
        if meta.pop("resourceVersion", None):
            raise failures.bad_request("resourceVersion should not be set on objects to be created")
        if meta.setdefault("namespace", namespace) != namespace:
            why = "the namespace of the provided object does not match the namespace sent on the request"
            raise failures.bad_request(why)
        if not resource.namespaced:
            del meta["namespace"]
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now_text()}
        meta.pop("managedFields", None)
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        if "status" in resource.subresources:
            new["status"] = copy.deepcopy(FIRST_STATUS.get(resource.plural, {}))
        if resource.plural in GENERATIONS:
            meta["generation"] = 1
        return new

    def _change(self, resource: Resource, namespace: str, live: Object, body: Object, options: Options) -> Object:
        """A write that is not an apply, by optimistic concurrency."""
        self._check_version(resource, live, body)
        wanted = body.get("metadata", {}).get("uid")
        if wanted and wanted != live["metadata"]["uid"]:
            name = live["metadata"]["name"]
            raise failures.uid_conflict(resource, name, wanted, live["metadata"]["uid"])
        whole = defaults.defaulted(resource, body) if body.get("spec") != live.get("spec") else body
        new = writable(resource, live, whole, options.subresource)
        if new == live:
            return live
        new = ownership.written(resource, live, new, self._writer(resource, "Update", options), now_text())
        return self._store_change(resource, namespace, live, new, options)

    def _store_change(self, resource: Resource, namespace: str, live: Object, new: Object, options: Options) -> Object:
        if new.get("spec") != live.get("spec"):
            new = defaults.defaulted(resource, new)
        new = keep_identity(live, new)
        counted = resource.plural in GENERATIONS and options.subresource != "status"
        if counted and is_new_generation(resource, live, new):
            new["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        if unchanged(live, new):
            return live
        return self._commit(resource, namespace, live["metadata"]["name"], new, live, options)

    def _commit(
        self, resource: Resource, namespace: str, name: str, new: Object, live: Object | None, options: Options
    ) -> Object:
        for admission in self.admissions:
            new = admission(resource, new, live)
        defaults.validate(resource, new, live)
        if options.dry_run:
            version = {"resourceVersion": live["metadata"]["resourceVersion"]} if live else {}
            return new | {"metadata": new["metadata"] | version}
        key = (resource.qualified, namespace, name)
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers") and may_go(new):
            self.store.put(key, new)
            return self.store.put(key, None)
        return self.store.put(key, new)

    def _patched(self, resource: Resource, live: Object, kind: str, patch: Any) -> Object:
        if kind == "application/json-patch+json":
            return merging.json_patch(live, patch)
        if not isinstance(patch, dict):
            raise failures.bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
        if kind == "application/merge-patch+json":
            return dict(merging.merge_patch(live, patch))
        if kind == "application/strategic-merge-patch+json":
            return dict(merging.strategic(schema.of(resource.schema), live, patch))
        raise failures.unsupported_media(kind)

    def _delete(self, resource: Resource, namespace: str, live: Object, body: Object) -> Object:
        name, meta = live["metadata"]["name"], dict(live["metadata"])
        grace = grace_s(resource, live, body.get("gracePeriodSeconds"))
        held = [*meta.get("finalizers", [])]
        if body.get("propagationPolicy") == "Foreground":
            held = [*{*held, "foregroundDeletion"}]
        elif body.get("propagationPolicy") == "Orphan":
            self._orphan(meta["uid"])
        if resource.plural == "namespaces":
            held = ["kubernetes"]
        if not held and grace == 0:
            self.store.put((resource.qualified, namespace, name), None)
            return live if resource.plural == "pods" else gone(resource, live)
        going_already = "deletionTimestamp" in meta and held == meta.get("finalizers", [])
        if going_already and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return live
        going = datetime.fromtimestamp(datetime.now(UTC).timestamp() + grace, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta |= {"deletionTimestamp": going, "deletionGracePeriodSeconds": grace}
        if held and resource.plural != "namespaces":
            meta["finalizers"] = held
        status = {"status": {"phase": "Terminating"}} if resource.plural == "namespaces" else {}
        return self.store.put((resource.qualified, namespace, name), live | {"metadata": meta} | status)

    def _orphan(self, uid: str) -> None:
        for key, dependent in list(self.store.objects.items()):
            owners = dependent["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner["uid"] != uid]
            if left != owners:
                self.store.put(key, dependent | {"metadata": dependent["metadata"] | {"ownerReferences": left}})

    def _check_namespace(self, namespace: str, resource: Resource) -> None:
        found = self.store.get(named("namespaces"), "", namespace)
        if found is None:
            raise failures.not_found(named("namespaces"), namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise failures.forbidden(resource, "", why)

    def _check_version(self, resource: Resource, live: Object, body: Object) -> None:
        wanted = (body.get("metadata") or {}).get("resourceVersion")
        if wanted and wanted != live["metadata"]["resourceVersion"]:
            raise failures.conflict(resource, live["metadata"]["name"])

    def _check_preconditions(self, resource: Resource, live: Object, wanted: Object) -> None:
        meta = live["metadata"]
        if wanted.get("uid") and wanted["uid"] != meta["uid"]:
            raise failures.uid_conflict(resource, meta["name"], wanted["uid"], meta["uid"])
        if wanted.get("resourceVersion") and wanted["resourceVersion"] != meta["resourceVersion"]:
            raise failures.conflict(resource, meta["name"])

    def _writer(self, resource: Resource, operation: str, options: Options) -> Writer:
        return Writer(options.manager, operation, resource.api_version, options.subresource)
