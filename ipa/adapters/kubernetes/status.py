"""What a namespace says of a pipeline, in one look: Deployments, plan of record and lease."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ipa.adapters.kubernetes import learned as lessons
from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.lease import lease_from
from ipa.adapters.kubernetes.observe import Seen, observe
from ipa.adapters.kubernetes.record import Record
from ipa.adapters.kubernetes.standing import departures, live_plan, running_rows
from ipa.adapters.kubernetes.way import server_of
from ipa.domain import Allocation, Config, Plan
from ipa.errors import UsageError
from ipa.report.status import Running, Status


def look(connection: Connection, config: Config) -> tuple[Seen, Record]:
    """Raises UsageError where the pipeline is not installed; Unavailable, Refused or ServingError."""
    pipeline = config.pipeline
    seen = observe(connection, pipeline.name, [stage.name for stage in pipeline.stages], with_pods=True)
    if not seen.deployments:
        rule = "apply what `ipa manifests` renders first"
        raise UsageError(f"pipeline {pipeline.name!r} is not in namespace {connection.namespace}: {rule}")
    return seen, records.read(connection, pipeline.name)


def live(connection: Connection, config: Config) -> Plan | None:
    """The plan that runs, None where a stage has no replica. Raises as `look` does."""
    seen, record = look(connection, config)
    return live_plan([stage.name for stage in config.pipeline.stages], running_rows(seen, record))


def status(connection: Connection, config: Config) -> Status:
    """Raises as `look` does."""
    seen, record = look(connection, config)
    rows = running_rows(seen, record)
    order = [stage.name for stage in config.pipeline.stages]
    whole = live_plan(order, rows) is not None
    return Status(
        pipeline=config.pipeline.name,
        cluster="kubernetes",
        where=f"namespace {connection.namespace}",
        ready=whole and all(d.complete for d in seen.deployments if d.replicas),
        running=tuple(Running(a, _ready(seen, a)) for a in sorted(rows, key=lambda a: order.index(a.stage))),
        revision=record.revision if record.version else None,
        at=record.at,
        why=record.why,
        goal=record.goal,
        controller=_holder(connection, config.pipeline.name),
        notes=(*_notes(seen, record), *_learned(record)),
    )


def _ready(seen: Seen, a: Allocation) -> int:
    """Pods of the right size that serve; one that is going away does not count."""
    ready = (p for p in seen.pods or () if p.ready and not p.terminating)
    return sum((p.server, p.cores) == (server_of(a), a.cores) for p in ready)


def _holder(connection: Connection, pipeline: str) -> str:
    found = connection.find(connection.path("coordination.k8s.io/v1", "leases", names.controller(pipeline)))
    return lease_from(found).holder if found else ""


def _notes(seen: Seen, record: Record) -> Iterator[str]:
    for departure in departures(seen, record):
        yield f"not as planned: {departure}"
    for deployment in seen.deployments:
        if deployment.failure:
            yield f"{deployment.name}: {deployment.failure}"
    for pod in seen.pods or ():
        if pod.unplaced or pod.trouble:
            yield f"pod {pod.name}: {pod.unplaced or pod.trouble}"


def _learned(record: Record) -> Iterator[str]:
    now = lessons.in_force(record.learned, datetime.now(UTC).timestamp())
    for bar in now.bars:
        what = f"{bar.stage} {bar.variant} ({bar.hardware}, {bar.cores} core{'s' * (bar.cores > 1)})"
        yield f"{what} gets no more replicas {_until(bar.until_s)}: {bar.why}"
    if now.room is not None:
        yield f"no more than {now.room.cores} cores are planned {_until(now.room.until_s)}: {now.room.why}"


def _until(at_s: float) -> str:
    return f"until {datetime.fromtimestamp(at_s).astimezone():%H:%M:%S}"
