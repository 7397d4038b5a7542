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
    """One stage: its batch in rows; `remaining_s`: mean batch-1 latency of this and the later stages."""

    stage: str
    batch: int
    remaining_s: float
    replicas: tuple[ReplicaSpec, ...]


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Every stage of the pipeline, in order."""

    stages: tuple[StageRoute, ...]


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
    remaining_s = float(_field(row, "remaining_s", int | float, where))
    if not isfinite(remaining_s) or remaining_s < 0:
        raise PlanError(f"{where}.remaining_s: {remaining_s} must be at least 0")
    replicas = _field(row, "replicas", list, where)
    return StageRoute(
        stage=_field(row, "stage", str, where),
        batch=batch,
        remaining_s=remaining_s,
        replicas=tuple(_replica(replica, f"{where}.replicas[{i}]") for i, replica in enumerate(replicas)),
    )


def _replica(row: object, where: str) -> ReplicaSpec:
    spec = ReplicaSpec(*(_field(row, name, str, where) for name in ("id", "address", "model", "variant")))
    host, _, port = spec.address.rpartition(":")
    if not host or not port.isdecimal():
        raise PlanError(f"{where}.address: {spec.address!r} must be HOST:PORT")
    return spec


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
