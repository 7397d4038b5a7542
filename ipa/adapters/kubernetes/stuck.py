"""Why Deployments are not ready yet: no room for their pods, or pods that do not start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.observe import Deployment, Pod, Seen
from ipa.adapters.kubernetes.record import Record, Rows
from ipa.adapters.kubernetes.standing import running_rows
from ipa.adapters.kubernetes.way import Size, server_of
from ipa.domain import Allocation, Plan


@dataclass(frozen=True, slots=True)
class Stuck:
    """`servers` are not complete; `no_room`: nothing but room is missing; `cores` of the pipeline have a place."""

    why: str
    servers: tuple[Allocation, ...]
    no_room: bool
    cores: int


def stuck(seen: Seen, up: Mapping[Server, Size]) -> Stuck | None:
    """None if every Deployment of `up` is complete."""
    waiting = [d for d in seen.deployments if d.server in up and not d.complete]
    if not waiting:
        return None
    pods = seen.pods or ()
    scarce = scarcity(waiting, pods)
    servers = tuple(Allocation(*d.server, d.cores, 1, d.replicas) for d in waiting)
    why = scarce or "; ".join(_why(d, [p for p in pods if p.server == d.server]) for d in waiting)
    return Stuck(why, servers, bool(scarce), placed_cores(pods))


def scarcity(deployments: list[Deployment], pods: tuple[Pod, ...]) -> str:
    """What says that there is no room, "" if nothing does: the scheduler of a pod, or a quota of the ReplicaSet."""
    servers = {d.server for d in deployments}
    for pod in pods:
        if pod.server in servers and pod.unplaced and not pod.terminating:
            return f"no node has room for pod {pod.name}: {pod.unplaced}"
    for d in deployments:
        if "exceeded quota" in d.failure:
            return f"Deployment {d.name}: {d.failure}"
    return ""


def placed_cores(pods: tuple[Pod, ...]) -> int:
    """Cores of the pods that have a node."""
    return sum(p.cores for p in pods if p.placed and not p.terminating)


def placed_rows(seen: Seen, record: Record, wanted: Plan) -> Rows:
    """As running_rows, but of what the plan wants only the replicas that have a node: the others are yet to come."""
    wants = {server_of(a) for a in wanted.allocations}
    rows: list[Allocation] = []
    for a in running_rows(seen, record):
        placed = [p for p in seen.pods or () if p.server == server_of(a) and p.placed and not p.terminating]
        count = len(placed) if server_of(a) in wants else a.replicas
        if count:
            rows.append(Allocation(a.stage, a.variant, a.hardware, a.cores, a.batch, min(count, a.replicas)))
    return tuple(rows)


def _why(d: Deployment, pods: list[Pod]) -> str:
    if d.failure:
        return f"Deployment {d.name}: {d.failure}"
    ready = sum(p.ready and not p.terminating for p in pods)
    troubles = dict.fromkeys(p.trouble for p in pods if p.trouble and not p.ready)
    detail = f": {'; '.join(troubles)}" if troubles else ""
    return f"Deployment {d.name}: {ready} of {d.replicas} replicas ready in time{detail}"
