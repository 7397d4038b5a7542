"""What runs against the plan of record: the live plan, changes that were broken off, and changes made by hand. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.apply import foreign
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.observe import CORES_ENV, REPLICAS, RESOURCES, Deployment, Seen
from ipa.adapters.kubernetes.record import Record, Rows
from ipa.adapters.kubernetes.way import server_of
from ipa.domain import Allocation, Plan


def running_rows(seen: Seen, record: Record) -> Rows:
    """Every Deployment with replicas as a row; in a stage the planned one comes first, then what is ready.

    The batch is the router's.
    """
    planned = {server_of(a) for a in record.rows}
    batch = {a.stage: a.batch for a in reversed(record.rows)}
    rows = [
        Allocation(*d.server, d.cores, batch.get(d.server.stage, 1), d.replicas)
        for d in seen.deployments
        if d.replicas > 0
    ]
    ready = {d.server for d in seen.deployments if d.complete}

    def order(a: Allocation) -> tuple[str, bool, bool, int]:
        return a.stage, server_of(a) not in planned, server_of(a) not in ready, -a.total_cores

    return tuple(sorted(rows, key=order))


def live_plan(stages: Sequence[str], rows: Rows) -> Plan | None:
    """The first row of each stage, in the pipeline's order; None if a stage has none, as then nothing is answered."""
    first = {a.stage: a for a in reversed(rows)}
    if any(stage not in first for stage in stages):
        return None
    return Plan(tuple(first[stage] for stage in stages))


@dataclass(frozen=True, slots=True)
class Departure:
    """A Deployment that is not as the record has it, and who made it so; `owner` "" where nobody says."""

    deployment: str
    what: str
    owner: str

    def __str__(self) -> str:
        return f"{self.deployment} {self.what}" + (f" (by {self.owner})" if self.owner else "")


def departures(seen: Seen, record: Record) -> tuple[Departure, ...]:
    """Empty before there is a record, and while its change is under way, when a Deployment may be as it likes."""
    if not record.rows or not record.good:
        return ()
    planned = {server_of(a): a for a in record.rows}
    found = [_departure(d, planned.get(d.server)) for d in seen.deployments]
    return tuple(d for d in found if d is not None)


def _departure(d: Deployment, planned: Allocation | None) -> Departure | None:
    replicas = planned.replicas if planned else 0
    if d.replicas != replicas:
        return Departure(d.name, f"has {d.replicas} replicas, planned {replicas}", d.owners.get(REPLICAS, ""))
    if planned and d.cores != planned.cores:
        owner = d.owners.get(RESOURCES, d.owners.get(CORES_ENV, ""))
        return Departure(d.name, f"has {d.cores} cores, planned {planned.cores}", owner)
    return None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be done before any new decision: `hold`, if not "", leaves everything; `restore` is a plan to apply.

    `why` explains either; `drift` lists what was changed by hand.
    """

    hold: str = ""
    restore: Plan | None = None
    why: str = ""
    drift: tuple[Departure, ...] = ()


def standing(seen: Seen, record: Record, drift: str) -> Standing:
    """`drift`: what becomes of changes made by hand, correct or leave (cluster.drift)."""
    for d in seen.deployments:
        if reason := foreign(d):
            return Standing(hold=reason)
    found = departures(seen, record)
    by_hand = tuple(d for d in found if d.owner != names.CONTROLLER_MANAGER)
    told = "; ".join(map(str, by_hand))
    if by_hand and drift == "leave":
        return Standing(hold=f"changed by hand, and cluster.drift is leave: {told}", drift=by_hand)
    if not _known(seen, record.destination):
        return Standing(drift=by_hand)
    if not record.good:
        why = f"the change of revision {record.revision} was not finished: {record.why}"
        return Standing(restore=record.destination, why=why)
    if by_hand:
        return Standing(restore=record.destination, why=f"changed by hand: {told}", drift=by_hand)
    if found:
        return Standing(restore=record.destination, why=f"a change was broken off: {'; '.join(map(str, found))}")
    return Standing()


def _known(seen: Seen, plan: Plan | None) -> bool:
    """Whether there is a Deployment for everything in the plan: else it is of manifests that were replaced."""
    if plan is None:
        return False
    there: set[Server] = {d.server for d in seen.deployments}
    return all(server_of(a) in there for a in plan.allocations)
