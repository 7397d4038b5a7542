"""Who leads: client-go's leader election as a state machine. Pure: the caller reads, writes and says what time it is.

Semantics of k8s.io/client-go/tools/leaderelection (leaderelection.go): a lease counts as held for its duration since
*this* process last saw it change, on this process's own clock that only runs forward. Clocks of machines are never
compared; the times in the object are for people. A leader that could not renew within the renew deadline stops before
any other may act, because the deadline is shorter than the duration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf

from ipa.adapters.kubernetes.connection import Json

JITTER = 1.2
"""client-go's JitterFactor: those that want to lead wait for up to 2.2 retry periods."""


@dataclass(frozen=True, slots=True)
class Timing:
    """client-go's defaults."""

    duration_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A coordination.k8s.io/v1 Lease. `version` is its resourceVersion; times are RFC 3339, by the holder's clock."""

    holder: str
    duration_s: float
    acquired: str
    renewed: str
    transitions: int
    version: str

    def same_as(self, other: Lease | None) -> bool:
        """Whether nobody has acquired or renewed it in between."""
        return other is not None and replace(self, version="") == replace(other, version="")


@dataclass(frozen=True, slots=True)
class Election:
    """What one candidate knows. `seen` is the lease as it last changed, at `seen_s`; `held_from_s`: when it sent what
    last made it the holder, -inf while it is not. All times are on its own monotonic clock.
    """

    identity: str
    timing: Timing = Timing()
    seen: Lease | None = None
    seen_s: float = -inf
    held_from_s: float = -inf

    def may_act(self, now_s: float) -> bool:
        """Whether it leads, and will for longer than one request takes."""
        return now_s - self.held_from_s < self.timing.renew_deadline_s


def observed(election: Election, lease: Lease | None, now_s: float) -> Election:
    """After reading the lease (None: there is none)."""
    if lease is None:
        return replace(election, seen=None, seen_s=-inf, held_from_s=-inf)
    held_from_s = election.held_from_s if lease.holder == election.identity else -inf
    if lease.same_as(election.seen):
        return replace(election, seen=lease, held_from_s=held_from_s)
    return replace(election, seen=lease, seen_s=now_s, held_from_s=held_from_s)


def wanted(election: Election, now_s: float, time_of_day_s: float) -> Lease | None:
    """The lease to write now: to renew or to acquire it; None while somebody else's counts."""
    seen, at = election.seen, micro_time(time_of_day_s)
    fresh = Lease(election.identity, election.timing.duration_s, at, at, 0, "")
    if seen is None:
        return fresh
    if seen.holder == election.identity:
        return replace(seen, renewed=at, duration_s=election.timing.duration_s)
    if seen.holder and now_s < election.seen_s + seen.duration_s:
        return None
    return replace(fresh, transitions=seen.transitions + 1, version=seen.version)


def written(election: Election, lease: Lease, sent_s: float) -> Election:
    """After the server accepted `lease`, which was sent at `sent_s`: others see it change no earlier than that."""
    return replace(election, seen=lease, seen_s=sent_s, held_from_s=sent_s)


def released(election: Election, time_of_day_s: float) -> Lease | None:
    """The lease to write when leaving, so that the next one need not wait; None where it is not held.

    client-go's release: no holder, and a duration of 1 s.
    """
    if election.seen is None or election.seen.holder != election.identity:
        return None
    at = micro_time(time_of_day_s)
    return replace(election.seen, holder="", duration_s=1.0, acquired=at, renewed=at)


def micro_time(time_of_day_s: float) -> str:
    """The API's MicroTime: RFC 3339 with microseconds."""
    return datetime.fromtimestamp(time_of_day_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- as an object -----------------------------------------------------------------------------------------------


def lease_from(document: Json) -> Lease:
    spec = document.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "",
        duration_s=float(spec.get("leaseDurationSeconds") or 0),
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
        version=document["metadata"]["resourceVersion"],
    )


def lease_document(name: str, labels: dict[str, str], lease: Lease) -> Json:
    meta: Json = {"name": name, "labels": labels}
    if lease.version:
        meta["resourceVersion"] = lease.version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": meta,
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": max(1, round(lease.duration_s)),
            "acquireTime": lease.acquired or None,
            "renewTime": lease.renewed or None,
            "leaseTransitions": lease.transitions,
        },
    }
