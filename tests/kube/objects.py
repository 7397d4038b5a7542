"""What holds for every stored object: identity, generation, who may change what, how long a deletion takes.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

from __future__ import annotations

import random
from datetime import UTC, datetime

from tests.kube import failures
from tests.kube.resources import Object, Resource

GENERATIONS = {"deployments", "replicasets", "poddisruptionbudgets", "networkpolicies", "horizontalpodautoscalers"}
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def now_text() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def suffix() -> str:
    return "".join(random.choices(_SUFFIX, k=5))


FIRST_STATUS: Object = {
    "pods": {"phase": "Pending", "qosClass": "Burstable"},
    "namespaces": {"phase": "Active"},
    "services": {"loadBalancer": {}},
}


def writable(resource: Resource, live: Object, body: Object, subresource: str) -> Object:
    """Of a written body what its endpoint may change: the status under /status, all but the status elsewhere."""
    if subresource == "status":
        meta = live["metadata"]
        if resource.plural == "deployments":  # whose controller keeps its revision there
            annotations = body["metadata"].get("annotations")
            meta = meta | ({"annotations": annotations} if annotations else {})
        return live | {"metadata": meta, "status": body.get("status", {})}
    if "status" in resource.subresources:
        body = {name: value for name, value in body.items() if name != "status"}
        return body | ({"status": live["status"]} if "status" in live else {})
    return body


def applicable(resource: Resource, config: Object, subresource: str) -> Object:
    """Of an applied configuration what its endpoint takes: the rest is reset before anybody owns it."""
    if subresource == "status":
        return {name: value for name, value in config.items() if name != "spec"}
    if "status" in resource.subresources:
        return {name: value for name, value in config.items() if name != "status"}
    return config


def keep_identity(live: Object, new: Object) -> Object:
    """`new` with what no write changes: name, uid, the times of birth and death."""
    meta, held = dict(new["metadata"]), live["metadata"]
    for name in ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion"):
        if name in held:
            meta[name] = held[name]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        meta.pop(name, None)
        if name in held:
            meta[name] = held[name]
    return new | {"metadata": meta, "apiVersion": live["apiVersion"], "kind": live["kind"]}


def is_new_generation(resource: Resource, live: Object, new: Object) -> bool:
    """A change of the spec is a new generation; of a Deployment's annotations too."""
    if live.get("spec") != new.get("spec"):
        return True
    annotations = [o["metadata"].get("annotations") or {} for o in (live, new)]
    return resource.plural == "deployments" and annotations[0] != annotations[1]


def unchanged(live: Object, new: Object) -> bool:
    """Whether a write changes nothing, the times of its managers aside: then it gets no new version."""
    return _timeless(live) == _timeless(new)


def _timeless(o: Object) -> Object:
    owners = [{k: v for k, v in entry.items() if k != "time"} for entry in o["metadata"].get("managedFields", [])]
    return o | {"metadata": o["metadata"] | {"managedFields": sorted(owners, key=str)}}


def check_name(body: Object, name: str) -> None:
    sent = (body.get("metadata") or {}).get("name", name)
    if sent != name:
        raise failures.bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")


def grace_s(resource: Resource, live: Object, asked: int | None) -> int:
    """Pods alone go gracefully, and only once a node runs them."""
    if resource.plural != "pods" or not live["spec"].get("nodeName"):
        return 0
    return int(live["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)


def may_go(new: Object) -> bool:
    return int(new["metadata"].get("deletionGracePeriodSeconds", 0)) == 0 and new["kind"] != "Namespace"


def gone(resource: Resource, live: Object) -> Object:
    meta = live["metadata"]
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    details = {name: value for name, value in details.items() if value}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
