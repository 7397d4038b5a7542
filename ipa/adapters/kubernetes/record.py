"""The plan of record: what the ConfigMap of the plan says, which the router follows and a new controller resumes from.

`plan.json` is {"revision", "at", "plan": rows, "why", "good"}, and while a change lasts also "goal" and "back": where
it leads, and the plan to return to if that fails. While a change lasts a stage may have several rows; the router then
serves with all of them. `learned.json` is what was learned about the cluster (ipa.adapters.kubernetes.learned).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import APPLY_PATCH, Connection, Json
from ipa.adapters.kubernetes.learned import NOTHING, Learned, learned_document, learned_from
from ipa.domain import Allocation, Plan
from ipa.errors import ServingError

PLAN_KEY, LEARNED_KEY = "plan.json", "learned.json"
Rows = tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """`good`: `rows` is a whole plan that ran. `version`: the ConfigMap's resourceVersion, "" if there is none yet."""

    revision: int = 0
    at: str = ""
    rows: Rows = ()
    why: str = ""
    good: bool = True
    goal: Plan | None = None
    back: Plan | None = None
    learned: Learned = NOTHING
    version: str = ""

    @property
    def destination(self) -> Plan | None:
        """The plan that should run in the end; None before the first."""
        if self.goal is not None:
            return self.goal
        return Plan(self.rows) if self.rows else None

    def moved(self, rows: Iterable[Allocation], why: str, now_s: float) -> Record:
        """The next revision; `now_s` is the time of day."""
        at = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return replace(self, revision=self.revision + 1, at=at, rows=tuple(rows), why=why)


def read(connection: Connection, pipeline: str) -> Record:
    """Raises Unavailable, Refused, or ServingError for a document that nobody of ipa wrote."""
    found = connection.find(_path(connection, pipeline))
    if found is None:
        return Record()
    data = found.get("data") or {}
    try:
        record = _record(json.loads(data.get(PLAN_KEY) or "{}"))
        learned = learned_from(json.loads(data.get(LEARNED_KEY) or "{}"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        name = names.plan_map(pipeline)
        rule = "it is written by ipa alone; delete it, and the plan that runs is taken as it is"
        raise ServingError(f"ConfigMap {name}: not a plan ({type(error).__name__}: {error}): {rule}") from error
    return replace(record, learned=learned, version=found["metadata"]["resourceVersion"])


def write(connection: Connection, pipeline: str, record: Record) -> Record:
    """The record as written. Raises Refused with status 409 if the ConfigMap has changed since it was read."""
    name = names.plan_map(pipeline)
    body: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": names.labels(pipeline, names.CONTROLLER)},
        "data": {
            PLAN_KEY: json.dumps(_document(record)),
            LEARNED_KEY: json.dumps(learned_document(record.learned)),
        },
    }
    if record.version:
        body["metadata"]["resourceVersion"] = record.version
    query = {"fieldManager": names.CONTROLLER_MANAGER, "force": "true"}
    written = connection.patch(_path(connection, pipeline), body, APPLY_PATCH, query)
    return replace(record, version=written["metadata"]["resourceVersion"])


def _path(connection: Connection, pipeline: str) -> str:
    return connection.path("v1", "configmaps", names.plan_map(pipeline))


def _document(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = {
        "revision": record.revision,
        "at": record.at,
        "plan": _rows(record.rows),
        "why": record.why,
        "good": record.good,
    }
    for key, plan in (("goal", record.goal), ("back", record.back)):
        if plan is not None:
            document[key] = _rows(plan.allocations)
    return document


def _record(document: Mapping[str, Any]) -> Record:
    return Record(
        revision=int(document.get("revision", 0)),
        at=str(document.get("at", "")),
        rows=_allocations(document.get("plan") or ()),
        why=str(document.get("why", "")),
        good=bool(document.get("good", True)),
        goal=_plan(document.get("goal")),
        back=_plan(document.get("back")),
    )


def _rows(allocations: Iterable[Allocation]) -> list[dict[str, Any]]:
    return [asdict(a) for a in allocations]


def _plan(rows: Iterable[Mapping[str, Any]] | None) -> Plan | None:
    return Plan(_allocations(rows)) if rows else None


def _allocations(rows: Iterable[Mapping[str, Any]]) -> Rows:
    return tuple(
        Allocation(
            str(row["stage"]),
            str(row["variant"]),
            str(row["hardware"]),
            int(row["cores"]),
            int(row["batch"]),
            int(row["replicas"]),
        )
        for row in rows
    )
