"""Carries out a change: raise what is new → ready → plan of record → the router follows → lower what is old.

Nothing is remembered between requests but the change itself: every look is at the live objects. Whatever breaks it
off, the record says where it was going, and standing.py of the next turn goes on from what runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ipa.adapters.kubernetes import learned as lessons
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.apply import CONFLICTS, refuse_autoscaled, refuse_foreign, set_size
from ipa.adapters.kubernetes.connection import Connection, Refused
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.observe import Deployment, Seen, observe
from ipa.adapters.kubernetes.record import Record, Rows
from ipa.adapters.kubernetes.standing import live_plan, running_rows
from ipa.adapters.kubernetes.stuck import Stuck, placed_rows, stuck
from ipa.adapters.kubernetes.way import Phase, Size, dips_of, server_of, way
from ipa.domain import Allocation, Config, Plan
from ipa.errors import IpaError, Unavailable
from ipa.ports import Outcome

_log = logging.getLogger(__name__)

POLL_S = 1.0
SCARCE_SHARE = 0.5
"""Pods that find no room get this share of ready_timeout: a cluster autoscaler may add a node, an old pod may end."""

GOING_BACK = "going back"
"""How the record says why, once a change has failed."""

Tell = Callable[[str, str, Iterable[Deployment]], None]
"""(reason, message, the objects it is about) → an Event on each."""


class Stopping(IpaError):
    """This process is to end: the phase under way is undone, and nothing further is begun."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rollout needs of the world. `pause` waits and is False as soon as this process is to end."""

    config: Config
    connection: Connection
    pause: Callable[[float], bool]
    tell: Tell
    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time
    poll_s: float = POLL_S

    @property
    def pipeline(self) -> str:
        return self.config.pipeline.name

    def look(self, *, with_pods: bool = False) -> Seen:
        stages = [stage.name for stage in self.config.pipeline.stages]
        return observe(self.connection, self.pipeline, stages, with_pods=with_pods)


def roll_out(world: Surroundings, plan: Plan, why: str, decided_on: int | None = None) -> Outcome:
    """Moves to `plan`; back to the last good plan if that does not become ready in time, or finds no room.

    `decided_on`: the revision of the record that the decision saw. Where somebody has written another one since, as
    `ipa rollback` does, nothing is done: the next turn decides anew. None is whatever is there.
    Raises Unavailable, Refused or ServingError where it can neither go on nor go back; the next turn then restores.
    """
    began_s = world.monotonic_s()
    seen, record = world.look(), records.read(world.connection, world.pipeline)
    if decided_on is not None and record.revision != decided_on:
        raise Unavailable(f"the plan of record was changed meanwhile, from revision {decided_on} to {record.revision}")
    touched = [seen.of(server_of(a)) for a in plan.allocations]
    refuse_foreign(seen.deployments)
    refuse_autoscaled(world.connection, seen.deployments)
    named = {d.server: d.name for d in seen.deployments}
    change = _Change(world, plan, why, named, record, _last_good(world.config, seen, record))
    world.tell("Changing", why, touched)
    try:
        outcome = change.run(seen)
    except Stopping as stopping:
        outcome = Outcome(False, 0.0, str(stopping))
    world.tell("Changed" if outcome.applied else "NotChanged", f"{why}: {outcome.detail or 'done'}", touched)
    return replace(outcome, seconds=world.monotonic_s() - began_s)


def _last_good(config: Config, seen: Seen, record: Record) -> Plan | None:
    """What to return to: the plan of record, or before there is one what runs; None where nothing does."""
    if record.rows:
        return record.destination if record.good else record.back
    return live_plan([stage.name for stage in config.pipeline.stages], running_rows(seen, record))


def try_out(world: Surroundings, plan: Plan) -> Outcome:
    """Has the server check every object that `plan` would set, and sets none. Raises as `roll_out` does."""
    began_s = world.monotonic_s()
    seen = world.look()
    refuse_foreign(seen.deployments)
    refuse_autoscaled(world.connection, seen.deployments)
    sizes = {d.server: Size(0, d.cores) for d in seen.deployments}
    sizes |= {server_of(a): Size(a.replicas, a.cores) for a in plan.allocations}
    count = 0
    for server, size in sizes.items():
        d = seen.of(server)
        if Size(d.replicas, d.cores) != size:
            set_size(world.connection, d.name, size, memory_mb(world.config, server), dry_run=True)
            count += 1
    return Outcome(False, world.monotonic_s() - began_s, f"dry run: the server accepts {count} changes")


def memory_mb(config: Config, server: Server) -> float | None:
    stage = config.pipeline.stage(server.stage)
    return next((v.memory_mb for v in stage.variants if v.name == server.variant), None)


@dataclass(slots=True)
class _Change:
    """One change under way.

    `names` are the Deployments', `record` is the newest one written, `back` the last good plan, None if there is none.
    """

    world: Surroundings
    plan: Plan
    why: str
    names: Mapping[Server, str]
    record: Record
    back: Plan | None
    notes: list[str] = field(default_factory=list)

    def run(self, seen: Seen) -> Outcome:
        limits, control = self.world.config.pipeline.limits, self.world.config.control
        room = lessons.in_force(self.record.learned, self.world.wall_s()).room
        limit_cores, surge_cores = limits.cores, control.surge_cores
        if room is not None and (limit_cores is None or room.cores <= limit_cores):
            limit_cores, surge_cores = float(max(room.cores, self.plan.total_cores)), 0.0
        found = self._carry_out(way(running_rows(seen, self.record), self.plan, limit_cores, surge_cores), self.plan)
        if found is not None and found.no_room and self.plan.total_cores <= found.cores:
            found = self._one_by_one(found)
        if found is not None:
            return self._go_back(found)
        return Outcome(True, 0.0, "; ".join(dict.fromkeys(self.notes)))

    def _one_by_one(self, found: Stuck) -> Stuck | None:
        """There is room for the plan, but not beside what it replaces."""
        self.notes.append(f"no room beside what runs: {found.why}")
        self.record = replace(self.record, learned=self._learned(found))
        rows = placed_rows(self.world.look(with_pods=True), self.record, self.plan)
        return self._carry_out(way(rows, self.plan, float(found.cores), 0.0), self.plan)

    def _carry_out(self, phases: tuple[Phase, ...], goal: Plan) -> Stuck | None:
        """All phases, or what the first is stuck on."""
        self.notes += dips_of(phases)
        for number, phase in enumerate(phases, 1):
            found = self._phase(phase, goal, last=number == len(phases))
            if found is not None:
                return found
            if number < len(phases) and not self.world.pause(0.0):
                raise Stopping("this process is to end: whoever leads next finishes the change")
        if not phases or not self.record.good:
            self._route(goal.allocations, goal, last=True)
        return None

    def _phase(self, phase: Phase, goal: Plan, *, last: bool) -> Stuck | None:
        before = {d.server: Size(d.replicas, d.cores) for d in self.world.look().deployments}
        if phase.mixed:
            self._route(phase.mixed, goal, last=False)
        self._set(phase.up)
        try:
            found = self._wait(phase.up)
        except Stopping:
            self._set({server: before[server] for server in phase.up})
            raise
        if found is not None:
            return found
        self._route(phase.rows, goal, last=last)
        self._set(phase.down)
        return None

    def _set(self, sizes: Mapping[Server, Size]) -> None:
        for server, size in sizes.items():
            set_size(self.world.connection, self.names[server], size, memory_mb(self.world.config, server))

    def _route(self, rows: Iterable[Allocation], goal: Plan, *, last: bool) -> None:
        """Writes the record, and waits until the router has followed it; also when this process is to end."""
        order = [stage.name for stage in self.world.config.pipeline.stages]
        rows = tuple(sorted(rows, key=lambda a: order.index(a.stage)))
        if rows == self.record.rows and last == self.record.good and self.record.version:
            return
        ahead = (None, None) if last else (goal, self.back)
        learned = lessons.proven(self.record.learned, goal) if last and goal == self.plan else self.record.learned
        moved = self.record.moved(rows, self.why, self.world.wall_s())
        self._write(replace(moved, good=last, goal=ahead[0], back=ahead[1], learned=learned))
        self.world.connection.sleep(self.world.config.cluster.router_switch_s)

    def _write(self, record: Record) -> None:
        """Again where somebody touched the ConfigMap; not where they wrote another plan."""
        for _ in range(CONFLICTS):
            try:
                self.record = records.write(self.world.connection, self.world.pipeline, record)
            except Refused as error:
                if error.status != 409:
                    raise
            else:
                return
            there = records.read(self.world.connection, self.world.pipeline)
            if there.revision != self.record.revision:
                raise Unavailable(f"the plan of record was changed meanwhile, to revision {there.revision}")
            record = replace(record, version=there.version)
        raise Unavailable(f"the plan of record was touched by others {CONFLICTS} times while it was being written")

    # --- waiting ----------------------------------------------------------------------------------------------

    def _wait(self, up: Mapping[Server, Size]) -> Stuck | None:
        """Until every Deployment of `up` is complete. Time in which the API server does not answer does not count."""
        left_s = self.world.config.cluster.ready_timeout_s
        scarce_left_s = left_s * SCARCE_SHARE
        looked_s = self.world.monotonic_s()
        while up:
            seen = self._look_or_none()
            now_s = self.world.monotonic_s()
            found = None
            if seen is not None:
                found = stuck(seen, up)
                if found is None and self._is_set(seen, up):
                    return None
                left_s -= now_s - looked_s
                scarce_left_s = scarce_left_s - (now_s - looked_s) if found and found.no_room else scarce_left_s
            looked_s = now_s
            if found is not None and (left_s <= 0 or (found.no_room and scarce_left_s <= 0)):
                return found
            if not self.world.pause(self.world.poll_s):
                raise Stopping("this process is to end: what was raised is lowered again")
        return None

    def _look_or_none(self) -> Seen | None:
        """None while the API server is away; NotLeading, which forbids all writes, ends the wait."""
        self.world.connection.before_write()
        try:
            return self.world.look()
        except Unavailable as error:
            _log.warning("%s: waiting: %s", self.world.pipeline, error)
            return None

    def _is_set(self, seen: Seen, up: Mapping[Server, Size]) -> bool:
        """Whether all is as it was set; what somebody changed meanwhile is set again."""
        changed = {s: z for s, z in up.items() if (d := seen.of(s)) and (d.replicas, d.cores) != (z.replicas, z.cores)}
        self._set(changed)
        return not changed

    # --- going back ---------------------------------------------------------------------------------------------

    def _go_back(self, found: Stuck) -> Outcome:
        """To the last good plan, or where there was none, to what of the new one runs."""
        self.record = replace(self.record, learned=self._learned(found))
        if self.back is None:
            self._write(self.record)
            return Outcome(False, 0.0, f"{found.why}; there is no earlier plan to go back to")
        why, self.why = self.why, f"{GOING_BACK}: {found.why}"
        if not self.record.good:
            self._write(replace(self.record, goal=self.back, why=self.why))
        rows: Rows = running_rows(self.world.look(), self.record)
        again = self._carry_out(way(rows, self.back, None, None), self.back)
        if again is not None:
            self._write(self.record)
            return Outcome(False, 0.0, f"{why}: {found.why}; and going back: {again.why}")
        self._write(self.record)  # what was learned, where nothing else had to be written
        return Outcome(False, 0.0, f"{found.why}; back to the last good plan", rolled_back=True)

    def _learned(self, found: Stuck) -> lessons.Learned:
        config, now_s = self.world.config, self.world.wall_s()
        # Longer than another plan is held back, or the failed one would be tried again before any other.
        first_s = config.cluster.ready_timeout_s + 2 * config.control.hold_s
        if found.no_room:
            return lessons.short(self.record.learned, found.cores, found.why, first_s, now_s)
        return lessons.barred(self.record.learned, found.servers, found.why, first_s, now_s)
