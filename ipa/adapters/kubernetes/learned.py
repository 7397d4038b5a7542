"""What failed rollouts taught: how many cores there are, and which servers do not become ready. Pure.

Both are believed for a while that doubles with every failure in a row, and then tried again: a node may have come, an
image may have been mended. Kept in the cluster, so that a new controller does not learn it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ipa.domain import Allocation, Plan

LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Until `until_s` (time of day) the server gets no more replicas than it has; after `failures` in a row."""

    stage: str
    variant: str
    hardware: str
    cores: int
    until_s: float
    failures: int
    why: str = ""

    @property
    def server(self) -> tuple[str, str, str, int]:
        return self.stage, self.variant, self.hardware, self.cores


@dataclass(frozen=True, slots=True)
class Room:
    """No more than `cores` found a place, until `until_s` (time of day)."""

    cores: int
    until_s: float
    failures: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Learned:
    bars: tuple[Bar, ...] = ()
    room: Room | None = None


NOTHING = Learned()


def barred(learned: Learned, servers: Iterable[Allocation], why: str, first_s: float, now_s: float) -> Learned:
    """After a rollout in which none of `servers` became ready in time: each is barred for twice as long as before."""
    bars = {bar.server: bar for bar in learned.bars}
    for a in servers:
        key = (a.stage, a.variant, a.hardware, a.cores)
        failures = bars[key].failures + 1 if key in bars else 1
        bars[key] = Bar(*key, now_s + _while_s(first_s, failures), failures, why)
    return replace(learned, bars=tuple(bars.values()))


def short(learned: Learned, cores: int, why: str, first_s: float, now_s: float) -> Learned:
    """After a rollout for which there was no room: `cores` is what had a place."""
    failures = learned.room.failures + 1 if learned.room else 1
    return replace(learned, room=Room(cores, now_s + _while_s(first_s, failures), failures, why))


def proven(learned: Learned, plan: Plan) -> Learned:
    """After a rollout that went well: what it shows to be wrong is forgotten, and what failed long ago is too."""
    runs = {(a.stage, a.variant, a.hardware, a.cores) for a in plan.allocations}
    room = learned.room if learned.room is None or plan.total_cores <= learned.room.cores else None
    return Learned(tuple(bar for bar in learned.bars if bar.server not in runs), room)


def in_force(learned: Learned, now_s: float) -> Learned:
    """What is believed now. More than the longest while ahead means that a clock was set back: tried again too."""

    def believed(until_s: float) -> bool:
        return now_s < until_s <= now_s + LONGEST_S

    room = learned.room if learned.room is not None and believed(learned.room.until_s) else None
    return Learned(tuple(bar for bar in learned.bars if believed(bar.until_s)), room)


def _while_s(first_s: float, failures: int) -> float:
    return min(LONGEST_S, first_s * 2.0 ** min(failures - 1, 32))


def learned_document(learned: Learned) -> dict[str, Any]:
    return {"bars": [asdict(bar) for bar in learned.bars], "room": asdict(learned.room) if learned.room else None}


def learned_from(document: Mapping[str, Any]) -> Learned:
    """The inverse of `learned_document`; {} is nothing. Raises TypeError or KeyError for what is not one."""
    room = document.get("room")
    return Learned(tuple(Bar(**bar) for bar in document.get("bars") or ()), Room(**room) if room else None)
