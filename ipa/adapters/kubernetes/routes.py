"""The plan of record and what serves right now → what the router routes to. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ipa.adapters.kubernetes.endpoints import Endpoint, Served
from ipa.adapters.kubernetes.record import PLAN_KEY
from ipa.adapters.serving.routing import p99_s
from ipa.dataplane.plan import ReplicaSpec, RoutePlan, StageRoute
from ipa.diff import Step
from ipa.domain import Allocation, Pipeline
from ipa.errors import ServingError
from ipa.remaining import remaining_s


@dataclass(frozen=True, slots=True)
class Followed:
    """The plan of record. While a change lasts a stage may have several rows: all of them serve."""

    revision: int = 0
    rows: tuple[Allocation, ...] = ()

    def of(self, stage: str) -> tuple[Allocation, ...]:
        return tuple(row for row in self.rows if row.stage == stage)


NO_PLAN = Followed()
"""Before the first: whatever is ready serves, one request after the other."""


def followed(config_map: Mapping[str, object] | None) -> Followed:
    """What the ConfigMap of the plan says. Raises ServingError for a document that nobody of ipa wrote."""
    data = (config_map or {}).get("data") or {}
    assert isinstance(data, Mapping)
    text = data.get(PLAN_KEY)
    if text is None:
        return NO_PLAN
    try:
        document = json.loads(text)
        rows = tuple(_allocation(row) for row in document["plan"])
        return Followed(int(document["revision"]), rows)
    except (ValueError, TypeError, KeyError) as error:
        raise ServingError(f"{PLAN_KEY}: not a plan ({type(error).__name__}: {error})") from error


def _allocation(row: Mapping[str, object]) -> Allocation:
    numbers = [_count(row, name) for name in ("cores", "batch", "replicas")]
    return Allocation(str(row["stage"]), str(row["variant"]), str(row["hardware"]), *numbers)


def _count(row: Mapping[str, object], name: str) -> int:
    value = row[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < (0 if name == "replicas" else 1):
        raise ValueError(f"{name} is {value!r}")
    return value


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who serves a stage, and in which batches."""

    batch: int
    endpoints: tuple[Endpoint, ...]
    target: Step


def route_plan(pipeline: Pipeline, plan: Followed, found: Sequence[Endpoint], pods: Mapping[str, Served]) -> RoutePlan:
    """`pods`: what is known of the endpoints, by uid; one of which nothing is known does not serve yet."""
    chosen = {stage.name: _chosen(stage.name, plan, found, pods) for stage in pipeline.stages}
    left_s = remaining_s(pipeline, {stage: each.target.servers for stage, each in chosen.items()})
    return RoutePlan(
        tuple(
            StageRoute(
                stage=stage,
                batch=each.batch,
                remaining_s=left_s[stage],
                replicas=tuple(spec(endpoint, pods[endpoint.uid]) for endpoint in each.endpoints),
                p99_s=p99_s(pipeline.measurements, each.target),
            )
            for stage, each in chosen.items()
        ),
        plan.revision,
    )


def spec(endpoint: Endpoint, pod: Served) -> ReplicaSpec:
    """How the router knows it. A pod keeps its name as long as it lives, and no other gets its address meanwhile."""
    return ReplicaSpec(endpoint.pod, endpoint.address, pod.variant, pod.variant)


def _chosen(stage: str, plan: Followed, found: Sequence[Endpoint], pods: Mapping[str, Served]) -> Chosen:
    """What the plan names; if none of that is ready whatever is; if nothing is those that end and still serve, as
    kube-proxy does (https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-to-terminating-endpoints).
    """
    known = [endpoint for endpoint in found if endpoint.stage == stage and endpoint.uid in pods]
    ready = [endpoint for endpoint in known if not endpoint.ending] or known
    rows = plan.of(stage)
    planned = {row.server for row in rows}
    serving = [endpoint for endpoint in ready if pods[endpoint.uid].server in planned] or ready
    batch = rows[0].batch if rows else 1
    counts = Counter(pods[endpoint.uid].server for endpoint in serving)
    servers = tuple(Allocation(stage, *server, batch, count) for server, count in counts.items())
    return Chosen(batch, tuple(serving), Step(stage, batch, servers or rows))
