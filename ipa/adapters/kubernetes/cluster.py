"""The port Cluster over a namespace: reads what runs, says what stands in the way of a decision, applies a plan."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ipa.adapters.kubernetes import journal
from ipa.adapters.kubernetes import learned as lessons
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Refused
from ipa.adapters.kubernetes.elector import Elector, NotLeading
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.observe import Seen
from ipa.adapters.kubernetes.record import Record
from ipa.adapters.kubernetes.rollout import SCARCE_SHARE, Surroundings, roll_out, try_out
from ipa.adapters.kubernetes.standing import live_plan, running_rows, standing
from ipa.adapters.kubernetes.stuck import placed_cores, scarcity, stuck
from ipa.adapters.kubernetes.way import Size
from ipa.domain import Allocation, Constraints, Plan
from ipa.errors import ServingError, Unavailable
from ipa.ports import Outcome
from ipa.report.adapt import by_hand

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class KubernetesCluster:
    """`live` looks; `ready` and `constraints` speak of what it saw, so that a turn is one consistent look.

    `elector` None only watches. An elector whose thread runs leads as long as this process does; else the lease is
    taken for the time of one change.
    """

    world: Surroundings
    elector: Elector | None
    _seen: Seen = field(init=False, default_factory=lambda: Seen(()))
    _record: Record = field(init=False, default_factory=Record)
    _looked: bool = field(init=False, default=False)
    _decided_on: int | None = field(init=False, default=None)
    _why: str = field(init=False, default="applied by hand")
    _told: str = field(init=False, default="")
    _waiting_since_s: float | None = field(init=False, default=None)

    # --- observe ------------------------------------------------------------------------------------------------

    def live(self) -> Plan | None:
        """Raises NotLeading where another process controls the pipeline; what it may not read is final only at first:
        later, somebody may be about to mend it."""
        if self.elector is not None and self.elector.running:
            self.elector.guard()
        try:
            self._seen = self.world.look()
            self._record = records.read(self.world.connection, self.world.pipeline)
        except (Refused, ServingError) as error:
            if not self._looked:
                raise
            raise Unavailable(str(error)) from error
        self._looked, self._decided_on = True, self._record.revision
        self._note_waiting()
        stages = [stage.name for stage in self.world.config.pipeline.stages]
        return live_plan(stages, running_rows(self._seen, self._record))

    def ready(self) -> bool:
        """Whether every replica is up, or has been awaited for long enough that a decision must do without it."""
        return self._waiting_since_s is None or self._overdue()

    def _note_waiting(self) -> None:
        if all(d.complete for d in self._seen.deployments if d.replicas):
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = self.world.monotonic_s()

    def _overdue(self) -> bool:
        if self._waiting_since_s is None:
            return False
        waited_s = self.world.monotonic_s() - self._waiting_since_s
        share = SCARCE_SHARE if self._scarcity() else 1.0
        return waited_s >= share * self.world.config.cluster.ready_timeout_s

    def _wanted(self) -> dict[Server, Size]:
        return {d.server: Size(d.replicas, d.cores) for d in self._seen.deployments if d.replicas}

    def _scarcity(self) -> str:
        waiting = [d for d in self._seen.deployments if d.replicas and not d.complete]
        return scarcity(waiting, self._seen.pods or ())

    def constraints(self) -> Constraints:
        """What stands in the way of a new decision, or must be done before one."""
        now = lessons.in_force(self._record.learned, self.world.wall_s())
        barred = tuple(Allocation(b.stage, b.variant, b.hardware, b.cores, 1, 1) for b in now.bars)
        stands = standing(self._seen, self._record, self.world.config.cluster.drift)
        if stands.drift:
            self._tell_once("Drift", "; ".join(map(str, stands.drift)))
        if stands.hold:
            return Constraints(hold=stands.hold)
        if stands.restore is not None and not _any_barred(stands.restore, barred):
            return Constraints(restore=stands.restore, why=stands.why)
        cores, why = (now.room.cores, now.room.why) if now.room else (None, "")
        if self._overdue() and (scarce := self._scarcity()):
            cores, why = placed_cores(self._seen.pods or ()), scarce
            self._tell_once("NoRoom", why)
        elif self._overdue() and (hangs := stuck(self._seen, self._wanted())) is not None:
            why = hangs.why
            self._tell_once("NotReady", why)
        return Constraints(cores=cores, barred=barred, why=why)

    def _tell_once(self, reason: str, message: str) -> None:
        """When it is news; not at every turn."""
        if message != self._told:
            _log.warning("%s: %s: %s", self.world.pipeline, reason, message)
            if self.elector is not None:
                self.world.tell(reason, message, [d for d in self._seen.deployments if d.name in message])
        self._told = message

    # --- apply ----------------------------------------------------------------------------------------------------

    def announce(self, why: str) -> None:
        """The reason of the plan that is applied next."""
        self._why = why

    def apply(self, plan: Plan) -> Outcome:
        """What is applied once is recorded here; whoever leads for long keeps a journal of every turn."""
        decided_on = self._decided_on
        once = self.elector is not None and not self.elector.running
        before = self.live() if once else None
        self._decided_on = None  # it holds for one decision
        with self._leading():
            outcome = roll_out(self.world, plan, self._why, decided_on)
            if once:
                line = by_hand(self.world.pipeline, self.world.wall_s(), before, plan, self._why, outcome)
                journal.write(self.world.connection, self.world.pipeline, [journal.as_line(line)])
        return outcome

    def try_out(self, plan: Plan) -> Outcome:
        """What the server says to `plan`; nothing is changed."""
        try:
            return try_out(self.world, plan)
        except Refused as error:
            if error.status != 403:
                raise
            return Outcome(False, 0.0, "dry run: not checked by the server, as the cluster may only be read")

    @contextmanager
    def _leading(self) -> Iterator[None]:
        if self.elector is None:
            raise ServingError("this only watches: it may not change anything")
        if self.elector.running:
            yield
            return
        if not self.elector.acquire(self.world.pause):
            holder = self.elector.holder or "nobody"
            rule = "stop it first, or let it decide"
            raise NotLeading(f"pipeline {self.world.pipeline} is controlled by {holder}: {rule}")
        self.elector.start()
        try:
            yield
        finally:
            self.elector.stop()


def _any_barred(plan: Plan, barred: tuple[Allocation, ...]) -> bool:
    kept_out = {(a.stage, a.server) for a in barred}
    return any((a.stage, a.server) in kept_out for a in plan.allocations)
