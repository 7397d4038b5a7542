"""What the router is told: which replicas, in which batches, and how much work is left from each stage on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipa.diff import Step
from ipa.domain import Allocation, Measurement, Pipeline
from ipa.remaining import measured, remaining_s


@dataclass(frozen=True, slots=True)
class RoutedReplica:
    """A warm replica as the router sees it, and the (variant, hardware, cores) it is."""

    id: str
    stage: str
    server: tuple[str, str, int]
    address: str


def router_plan(pipeline: Pipeline, targets: Mapping[str, Step], replicas: Iterable[RoutedReplica]) -> dict[str, Any]:
    """The document of the router's PUT /plan; every stage of the pipeline must have a target."""
    by_stage: dict[str, list[RoutedReplica]] = {stage.name: [] for stage in pipeline.stages}
    for replica in replicas:
        by_stage[replica.stage].append(replica)
    left_s = remaining_s(pipeline, {stage: target.servers for stage, target in targets.items()})
    return {
        "stages": [
            {
                "stage": stage,
                "batch": targets[stage].batch,
                "remaining_s": left_s[stage],
                "p99_s": p99_s(pipeline.measurements, targets[stage]),
                "replicas": [_row(replica) for replica in chosen],
            }
            for stage, chosen in by_stage.items()
        ]
    }


def _row(replica: RoutedReplica) -> dict[str, str]:
    variant = replica.server[0]
    return {"id": replica.id, "address": replica.address, "model": variant, "variant": variant}


def p99_s(measurements: Sequence[Measurement], target: Step) -> float | None:
    """What the slowest server of a stage takes for a batch, 99th percentile; None if nobody measured one of them."""
    each = [_p99_s(measurements, server, target.batch) for server in target.servers]
    known = [seconds for seconds in each if seconds is not None]
    return max(known) if known and len(known) == len(each) else None


def _p99_s(measurements: Sequence[Measurement], server: Allocation, batch: int) -> float | None:
    """At the smallest measured batch that is large enough; beyond the largest in proportion to the rows."""
    rows = sorted(measured(measurements, server), key=lambda row: row.batch)
    if not rows:
        return None
    row = next((row for row in rows if row.batch >= batch), rows[-1])
    return (row.latency_p99_s or row.latency_mean_s) * max(1.0, batch / row.batch)


def missing(target: Step, running: Iterable[RoutedReplica]) -> tuple[Allocation, ...]:
    """What has to be started before `target` holds: its servers with the number of replicas that they lack."""
    have = Counter(replica.server for replica in running)
    lacking = ((server, server.replicas - have[server.server]) for server in target.servers)
    return tuple(_with_replicas(server, count) for server, count in lacking if count > 0)


def _with_replicas(a: Allocation, replicas: int) -> Allocation:
    return Allocation(a.stage, a.variant, a.hardware, a.cores, a.batch, replicas)


def wanted_ids(target: Step, running: Iterable[RoutedReplica]) -> frozenset[str]:
    """Which of `running` serve `target`, the longest-running first; the others are surplus."""
    room = Counter({server.server: server.replicas for server in target.servers})
    kept = []
    for replica in running:
        if room[replica.server] > 0:
            room[replica.server] -= 1
            kept.append(replica.id)
    return frozenset(kept)
