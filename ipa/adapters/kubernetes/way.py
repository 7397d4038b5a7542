"""The way from what runs to a plan, as phases of Deployment targets. Pure.

`ipa.diff.steps` says which replicas come and go; here those steps become phases, each with one wait for readiness and
one switch of the router. A Deployment has pods of one size, so a change of cores alone cannot run old and new side by
side at will: it is a rolling update of that Deployment, planned here within the same headroom.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import inf

from ipa.adapters.kubernetes.names import Server
from ipa.diff import Step, steps
from ipa.domain import Allocation, Plan

Rows = tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """What a Deployment is to be: all its pods have `cores`."""

    replicas: int
    cores: int


@dataclass(frozen=True, slots=True)
class Phase:
    """Route to `mixed` if given; set `up` and wait until it is ready; route to `rows`; set `down`.

    `mixed` is for rolling updates: old and new pods serve together. `dips`: the stages with less capacity meanwhile.
    """

    rows: Rows
    mixed: Rows = ()
    up: Mapping[Server, Size] = field(default_factory=dict)
    down: Mapping[Server, Size] = field(default_factory=dict)
    dips: tuple[str, ...] = ()


def server_of(a: Allocation) -> Server:
    return Server(a.stage, a.variant, a.hardware)


def way(running: Rows, wanted: Plan, cores_limit: float | None, surge_cores: float | None) -> tuple[Phase, ...]:
    """Phases that end with `wanted` and nothing else. `running` may have several rows a stage, one a Deployment."""
    if surge_cores is None:
        surge_cores = max((a.cores for a in wanted.allocations), default=0)
    most_cores = inf if cores_limit is None else cores_limit + surge_cores
    cleared, rows = _cleared(running, wanted)
    rolls = [(old, new) for new in wanted.allocations for old in rows if _rolls(old, new)]
    smaller = [(old, new) for old, new in rolls if new.total_cores <= old.total_cores]
    larger = [pair for pair in rolls if pair not in smaller]
    phases = list(cleared)
    for old, new in smaller:
        found, rows = _rolling(rows, old, new, most_cores)
        phases += found
    kept = {old.stage: old for old, _ in larger}
    middle = Plan(tuple(kept.get(a.stage, a) for a in wanted.allocations))
    found, rows = _replacing(rows, middle, most_cores)
    phases += found
    for old, new in larger:
        found, rows = _rolling(rows, old, new, most_cores)
        phases += found
    return tuple(phases)


def _rolls(old: Allocation, new: Allocation) -> bool:
    return server_of(old) == server_of(new) and old.cores != new.cores


def _cleared(running: Rows, wanted: Plan) -> tuple[tuple[Phase, ...], Rows]:
    """Without the leftovers of a change that was broken off whose pods have the wrong size: they start anew."""
    alone = {stage for stage, n in Counter(a.stage for a in running).items() if n == 1}
    gone = [a for a in running for new in wanted.allocations if _rolls(a, new) and a.stage not in alone]
    if not gone:
        return (), running
    rows = tuple(a for a in running if a not in gone)
    stages = tuple(dict.fromkeys(a.stage for a in gone))
    return (Phase(rows, down={server_of(a): Size(0, a.cores) for a in gone}, dips=stages),), rows


# --- replicas that come and go --------------------------------------------------------------------------------


def _replacing(rows: Rows, wanted: Plan, most_cores: float) -> tuple[list[Phase], Rows]:
    """The steps of `ipa.diff`, each run of growth with the shrinking after it as one phase."""
    found: list[Phase] = []
    limit = None if most_cores == inf else most_cores
    moves = _moves(rows, steps(Plan(rows), wanted, limit, 0.0))
    for _, group in groupby(moves, key=lambda move: move.phase):
        run, first = list(group), rows
        for move in run:
            rows = _with_stage(rows, move.stage, move.rows)
        grown = _with_stages(first, [move for move in run if move.grows])
        dips = tuple(dict.fromkeys(move.stage for move in run if move.dip))
        found.append(Phase(rows, up=_changed(first, grown), down=_changed(grown, rows), dips=dips))
    return found, rows


@dataclass(frozen=True, slots=True)
class _Move:
    """One step, numbered by the phase it belongs to."""

    stage: str
    rows: Rows
    grows: bool
    dip: bool
    phase: int


def _moves(rows: Rows, way: Sequence[Step]) -> list[_Move]:
    moves: list[_Move] = []
    phase, shrunk = 0, False
    for step in way:
        has = Counter({a.server: a.replicas for a in rows if a.stage == step.stage})
        grows = any(a.replicas > has[a.server] for a in step.servers)
        if grows and shrunk:
            phase, shrunk = phase + 1, False
        shrunk = shrunk or not grows
        moves.append(_Move(step.stage, step.servers, grows, step.dip, phase))
        rows = _with_stage(rows, step.stage, step.servers)
    return moves


def _changed(before: Rows, after: Rows) -> dict[Server, Size]:
    """The Deployments of which there are to be more or fewer."""
    had = {server_of(a): Size(a.replicas, a.cores) for a in before}
    gone = {server: Size(0, size.cores) for server, size in had.items()}
    wanted = gone | {server_of(a): Size(a.replicas, a.cores) for a in after}
    return {server: size for server, size in wanted.items() if had.get(server) != size}


def _with_stages(rows: Rows, moves: Sequence[_Move]) -> Rows:
    for move in moves:
        rows = _with_stage(rows, move.stage, move.rows)
    return rows


def _with_stage(rows: Rows, stage: str, new: Rows) -> Rows:
    """The rows with those of one stage replaced, in place of the first of them."""
    others = [a for a in rows if a.stage != stage]
    at = next((i for i, a in enumerate(rows) if a.stage == stage), len(others))
    return (*others[:at], *new, *others[at:])


# --- cores that change ------------------------------------------------------------------------------------------


def _rolling(rows: Rows, old: Allocation, new: Allocation, most_cores: float) -> tuple[list[Phase], Rows]:
    """A rolling update within `most_cores`, with fewer replicas for its time where there is no headroom."""
    server, stage = server_of(new), new.stage
    others = sum(a.total_cores for a in rows if server_of(a) != server)
    count = rolled_replicas(old, new, most_cores - others)
    found: list[Phase] = []
    dips = (stage,) if count < min(old.replicas, new.replicas) else ()
    if count < old.replicas and dips:
        old = replace(old, replicas=count)
        rows = _with_server(rows, server, (old,))
        found.append(Phase(rows, down={server: Size(count, old.cores)}, dips=dips))
    rolled = replace(new, replicas=count)
    mixed = _with_server(rows, server, (replace(old, batch=new.batch), rolled))
    last = _with_server(rows, server, (new,))
    if count < new.replicas:
        rows = _with_server(rows, server, (rolled,))
        found.append(Phase(rows, mixed=mixed, up={server: Size(count, new.cores)}, dips=dips))
        found.append(Phase(last, up={server: Size(new.replicas, new.cores)}))
    else:
        down = {server: Size(new.replicas, new.cores)} if count > new.replicas else {}
        found.append(Phase(last, mixed=mixed, up={server: Size(count, new.cores)}, down=down, dips=dips))
    return found, last


def rolled_replicas(old: Allocation, new: Allocation, headroom_cores: float) -> int:
    """How many replicas the Deployment has during its rolling update: no fewer than before or after if they fit.

    A rolling update with maxUnavailable 0 and maxSurge 1 has at most one pod more than that; 1 at least, since with
    none there is nothing to roll.
    """
    most = max(old.replicas, new.replicas)
    fits = [n for n in range(1, most + 1) if _peak_cores(old, new, n) <= headroom_cores]
    return max(fits, default=1)


def _peak_cores(old: Allocation, new: Allocation, count: int) -> int:
    """The most cores while `count` replicas roll: when the first new pod has come, and when the last old one goes."""
    before = min(old.replicas, count)
    first = before * old.cores + (count + 1 - before) * new.cores
    last = old.cores + count * new.cores
    return max(first, last)


def _with_server(rows: Rows, server: Server, new: Rows) -> Rows:
    at = next(i for i, a in enumerate(rows) if server_of(a) == server)
    return (*rows[:at], *new, *(a for a in rows[at + 1 :] if server_of(a) != server))


def dips_of(phases: Iterable[Phase]) -> list[str]:
    """In words, what has less capacity on the way; once a stage."""
    stages = dict.fromkeys(stage for phase in phases for stage in phase.dips)
    return [f"{stage}: less capacity during the change" for stage in stages]
