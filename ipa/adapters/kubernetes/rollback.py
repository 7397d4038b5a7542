"""Back to an earlier plan, by whoever may write: this process, or the controller, which is asked through the record.

A controller that runs holds the lease, and two never write Deployments at once. But it finishes what the plan of record
says is under way before it decides anything: so the record is written as if its change to the earlier plan had been
broken off. What is left is barred for a while, or the next decision would return to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ipa.adapters.clock import StoppableClock
from ipa.adapters.kubernetes import journal
from ipa.adapters.kubernetes import learned as lessons
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Connection, Refused
from ipa.adapters.kubernetes.elector import Elector
from ipa.adapters.kubernetes.events import Events
from ipa.adapters.kubernetes.learned import Learned
from ipa.adapters.kubernetes.record import Record
from ipa.adapters.kubernetes.rollout import GOING_BACK, Surroundings, roll_out
from ipa.adapters.kubernetes.standing import running_rows
from ipa.adapters.kubernetes.status import live, look
from ipa.domain import Allocation, Config, Plan
from ipa.errors import ServingError, Unavailable
from ipa.ports import Outcome
from ipa.report.adapt import by_hand

POLL_S = 0.5


def roll_back(connection: Connection, config: Config, plan: Plan, why: str, clock: StoppableClock) -> Outcome:
    """Raises ServingError where a change is under way; Unavailable or Refused."""
    _check_settled(records.read(connection, config.pipeline.name))
    elector = Elector(connection, config.pipeline.name)
    if not elector.acquire(clock.pause):
        return _hand_over(connection, config, plan, why, clock, elector.holder or "the controller")
    elector.start()
    try:
        return _carry_out(connection, config, plan, why, clock, elector)
    finally:
        elector.stop()


def _check_settled(record: Record) -> None:
    if not record.good:
        rule = "wait until it is done, see ipa status"
        raise ServingError(f"revision {record.revision} is still under way ({record.why}): {rule}")


def _carry_out(
    connection: Connection, config: Config, plan: Plan, why: str, clock: StoppableClock, elector: Elector
) -> Outcome:
    """As the leader, for as long as it takes; recorded in the journal."""
    name, before = config.pipeline.name, live(connection, config)
    guarded = connection.guarded(elector.guard)
    record = records.read(guarded, name)
    leaving = before.allocations if before else ()
    records.write(guarded, name, replace(record, learned=_barred(record, leaving, plan, why, config, clock)))
    outcome = roll_out(Surroundings(config, guarded, clock.pause, Events(connection).tell), plan, why)
    line = by_hand(name, clock.now_s(), before, plan, why, outcome)
    journal.write(guarded, name, [journal.as_line(line)])
    return outcome


def _hand_over(
    connection: Connection, config: Config, plan: Plan, why: str, clock: StoppableClock, holder: str
) -> Outcome:
    """Asks the controller, and waits until it has done it."""
    began_s = clock.now_s()
    seen, record = look(connection, config)
    _check_settled(record)
    rows = running_rows(seen, record)
    moved = record.moved(rows, why, began_s)
    learned = _barred(record, rows, plan, why, config, clock)
    try:
        moved = records.write(
            connection,
            config.pipeline.name,
            replace(moved, good=False, goal=plan, back=record.destination, learned=learned),
        )
    except Refused as error:
        if error.status != 409:
            raise
        raise Unavailable(f"{holder} has just changed the plan itself: try again") from error
    outcome = _awaited(connection, config, plan, clock, began_s)
    return replace(outcome, seconds=clock.now_s() - began_s, detail=outcome.detail or f"done by {holder}")


def _awaited(connection: Connection, config: Config, plan: Plan, clock: StoppableClock, began_s: float) -> Outcome:
    """Every phase of a change may take its time to get ready; ten minutes by default."""
    until_s = began_s + 2 * config.cluster.ready_timeout_s + config.control.interval_s
    while clock.now_s() < until_s:
        if not clock.pause(POLL_S):
            return Outcome(False, 0.0, "the controller goes on with it; this command was stopped")
        record = records.read(connection, config.pipeline.name)
        if record.good and (record.rows == plan.allocations or not record.why.startswith(GOING_BACK)):
            return Outcome(True, 0.0)  # and where it is another plan by now, that was decided after it
        if record.good:
            return Outcome(False, 0.0, record.why, rolled_back=True)
    return Outcome(False, 0.0, "the controller has not finished it yet, see ipa status")


def _barred(
    record: Record, leaving: Iterable[Allocation], plan: Plan, why: str, config: Config, clock: StoppableClock
) -> Learned:
    """What runs and is not in the plan, for as long as a rollout that failed; longer each time in a row."""
    kept = {(a.stage, a.server) for a in plan.allocations}
    gone = [a for a in leaving if (a.stage, a.server) not in kept]
    return lessons.barred(record.learned, gone, why, config.cluster.ready_timeout_s, clock.now_s())
