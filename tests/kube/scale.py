"""The scale subresource: a Scale object in front of a workload's `spec.replicas`.

https://kubernetes.io/docs/reference/kubernetes-api/autoscaling-resources/ (Scale)
"""

from __future__ import annotations

from typing import Any

from tests.kube import merging
from tests.kube.api import Api, Options
from tests.kube.requests import Asked
from tests.kube.resources import Object


def serve(api: Api, asked: Asked, patch_kind: str, body: Any, options: Options) -> Object:
    """Answers get, update and patch of `/scale`."""
    with api.store.changed:
        live = api.get(asked.resource, asked.namespace, asked.name)
        if asked.verb == "get":
            return _scale(live)
        wanted = body if asked.verb == "update" else _patched(_scale(live), patch_kind, body)
        version = (wanted.get("metadata") or {}).get("resourceVersion", "")
        meta = live["metadata"] | ({"resourceVersion": version} if version else {})
        spec = live["spec"] | {"replicas": int((wanted.get("spec") or {}).get("replicas", 0))}
        new = api.update(asked.resource, asked.namespace, asked.name, live | {"metadata": meta, "spec": spec}, options)
        return _scale(new)


def _patched(scale: Object, kind: str, patch: Any) -> Object:
    return merging.json_patch(scale, patch) if isinstance(patch, list) else dict(merging.merge_patch(scale, patch))


def _scale(live: Object) -> Object:
    meta, replicas = live["metadata"], live["spec"].get("replicas", 0)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = (live["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in kept},
        "spec": {"replicas": replicas} if replicas else {},  # Go leaves out a zero here: `omitempty`
        "status": {
            "replicas": live.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }
