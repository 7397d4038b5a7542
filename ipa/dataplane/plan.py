"""What the router routes to, as data: the document of PUT /plan, read with all its rules. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from ipa.dataplane import documents
from ipa.errors import IpaError


class PlanError(IpaError):
    """The document breaks a rule; nothing was changed."""


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """Where one replica is: `address` is host:port of its V2 gRPC port, `model` the name it serves there."""

    id: str
    address: str
    model: str
    variant: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StageRoute:
    """One stage: its batch in rows; `remaining_s`: mean batch-1 latency of this and the later stages.

    `batch_wait_s`: how long a batch may wait to fill; 0 is greedy, None as the router was started. `p99_s`: what a
    batch takes by the profile, None if nobody measured it; a replica that takes far longer hangs.
    """

    stage: str
    batch: int
    remaining_s: float
    replicas: tuple[ReplicaSpec, ...]
    batch_wait_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Every stage of the pipeline, in order. `revision`: which plan of a cluster's it follows, None if none."""

    stages: tuple[StageRoute, ...]
    revision: int | None = None


def parse_plan(body: bytes, stages: Sequence[str]) -> RoutePlan:
    """The plan in `body` for a pipeline of `stages`. Raises PlanError."""
    try:
        document = documents.loads(body)
    except ValueError as error:
        raise PlanError(f"the plan is not JSON: {error}") from error
    rows = _field(document, "stages", list, "plan")
    plan = RoutePlan(tuple(_stage(row, f"stages[{i}]") for i, row in enumerate(rows)))
    named = [route.stage for route in plan.stages]
    if named != list(stages):
        raise PlanError(f"stages {named} where the pipeline has {list(stages)}, each once and in this order")
    ids = [replica.id for route in plan.stages for replica in route.replicas]
    twice = sorted({replica_id for replica_id in ids if ids.count(replica_id) > 1})
    if twice:
        raise PlanError(f"replica id {twice[0]!r} is given twice; ids must differ")
    return plan


def _stage(row: object, where: str) -> StageRoute:
    batch = _field(row, "batch", int, where)
    if batch < 1:
        raise PlanError(f"{where}.batch: {batch} must be at least 1")
    replicas = _field(row, "replicas", list, where)
    return StageRoute(
        stage=_field(row, "stage", str, where),
        batch=batch,
        remaining_s=_seconds(row, "remaining_s", where),
        replicas=tuple(_replica(replica, f"{where}.replicas[{i}]") for i, replica in enumerate(replicas)),
        batch_wait_s=_batch_wait_s(row, where),
        p99_s=None if _get(row, "p99_s") is None else _seconds(row, "p99_s", where),
    )


def _batch_wait_s(row: object, where: str) -> float | None:
    """`batching` greedy, full (which needs batch_wait_s), or absent: as the router was started."""
    batching = _get(row, "batching")
    if batching not in (None, "greedy", "full"):
        raise PlanError(f"{where}.batching: {batching!r} must be greedy or full")
    if batching == "full":
        return _seconds(row, "batch_wait_s", where)
    return None if batching is None else 0.0


def _seconds(row: object, name: str, where: str) -> float:
    value = float(_field(row, name, int | float, where))
    if not isfinite(value) or value < 0:
        raise PlanError(f"{where}.{name}: {value} must be at least 0")
    return value


def _replica(row: object, where: str) -> ReplicaSpec:
    spec = ReplicaSpec(*(_field(row, name, str, where) for name in ("id", "address", "model", "variant")))
    host, _, port = spec.address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise PlanError(f"{where}.address: {spec.address!r} must be HOST:PORT, with a port from 1 to 65535")
    return spec


def _get(row: object, name: str) -> object:
    """`row[name]`, None if it is absent or null."""
    return row.get(name) if isinstance(row, dict) else None


def _field(row: object, name: str, wanted: Any, where: str) -> Any:
    """`row[name]` if it is of type `wanted`; a boolean is no number."""
    if not isinstance(row, dict):
        raise PlanError(f"{where}: must be an object")
    if name not in row:
        raise PlanError(f"{where}.{name}: is missing")
    value = row[name]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise PlanError(f"{where}.{name}: must be {getattr(wanted, '__name__', wanted)}")
    return value
