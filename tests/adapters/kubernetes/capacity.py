"""What served at every moment, read off the double's whole history: no sample can miss a dip."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ipa.adapters.kubernetes import names
from tests.kube.double import Double

Kind = tuple[str, str, str, str]  # stage, variant, hardware, cores


def served(double: Double, namespace: str, pipeline: str, since: int = 0) -> Iterator[dict[str, int]]:
    """After each write since a version: by stage, the ready pods that the router uses. Those of the plan of record, or
    while none of them is ready in a stage, whatever is."""
    ready: dict[str, Kind] = {}
    rows: list[Kind] = []
    for change in list(double.store.history):
        resource, where, name = change.key
        if where != namespace:
            continue
        if resource == "pods":
            ready.pop(name, None)
            if change.new is not None and (kind := _serving(change.new)):
                ready[name] = kind
        elif resource == "configmaps" and name == names.plan_map(pipeline) and change.new is not None:
            plan = json.loads(change.new["data"]["plan.json"])["plan"]
            rows = [(r["stage"], r["variant"], r["hardware"], str(r["cores"])) for r in plan]
        else:
            continue
        if change.version >= since:
            yield _by_stage(Counter(ready.values()), rows)


def least(double: Double, namespace: str, pipeline: str, since: int) -> dict[str, int]:
    """By stage the fewest replicas that ever served since a version."""
    found: dict[str, int] = {}
    for now in served(double, namespace, pipeline, since):
        for stage in {*found, *now}:
            found[stage] = min(found.get(stage, now.get(stage, 0)), now.get(stage, 0))
    return found


def _serving(pod: dict[str, Any]) -> Kind | None:
    meta, status = pod["metadata"], pod.get("status") or {}
    server = names.server_of(meta.get("annotations"))
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    if server is None or not ready or "deletionTimestamp" in meta:
        return None
    cores = pod["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    return (*server, str(cores))


def _by_stage(ready: Counter[Kind], rows: list[Kind]) -> dict[str, int]:
    planned: Counter[str] = Counter()
    any_kind: Counter[str] = Counter()
    for kind, count in ready.items():
        any_kind[kind[0]] += count
        planned[kind[0]] += count if kind in rows else 0
    return {stage: planned[stage] or any_kind[stage] for stage in any_kind}
