"""Back to an earlier plan: alone, and beside a controller that runs and would choose otherwise."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from ipa.adapters.clock import StoppableClock
from ipa.adapters.kubernetes import journal
from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.rollback import roll_back
from ipa.adapters.kubernetes.status import status
from ipa.errors import ServingError
from tests.adapters.kubernetes.loops import Says, adapting, wait_turns
from tests.adapters.kubernetes.pipelines import Controller, install, leading, plan, replicas, toy, until
from tests.kube.double import Double

pytestmark = pytest.mark.cluster

OLD = plan(("small", 2), ("light", 1), batch=2)
NEW = plan(("large", 1), ("light", 1))
WHY = "rollback by 1, asked for by hand"


def moved_to_new(connection: Connection) -> None:
    """OLD ran, NEW runs, and nobody controls the pipeline any more."""
    config = toy()
    install(connection, config, OLD)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(OLD).applied
        assert controller.cluster.apply(NEW).applied


def test_where_nobody_controls_it_goes_back_by_itself_and_is_recorded(connection: Connection) -> None:
    moved_to_new(connection)
    outcome = roll_back(connection, toy(), OLD, WHY, StoppableClock())
    assert outcome.applied, outcome
    record = records.read(connection, "toy")
    assert (record.destination, record.why) == (OLD, WHY)
    (line,) = journal.read(connection, "toy")
    document = json.loads(line)
    assert (document["reason"], document["outcome"]["applied"]) == (WHY, True)
    assert [row["variant"] for row in document["live"]] == ["large", "light"]


def test_what_it_left_is_barred_and_what_it_returned_to_is_not(connection: Connection) -> None:
    moved_to_new(connection)
    roll_back(connection, toy(), OLD, WHY, StoppableClock())
    found = status(connection, toy())
    assert [bar.variant for bar in records.read(connection, "toy").learned.bars] == ["large"]
    assert any(note.startswith("detect large (cpu, 1 core) gets no more replicas until") for note in found.notes)


def test_a_controller_that_runs_does_it_and_does_not_return(connection: Connection) -> None:
    moved_to_new(connection)
    config = toy(ready_timeout_s=30.0)
    controller = Controller(config, connection)
    with adapting(controller, Says(10)) as story:
        until(lambda: records.read(connection, "toy").good and replicas(connection) == {"large": 1, "heavy": 1}, "10/s")
        outcome = roll_back(connection, config, OLD, WHY, StoppableClock())
        assert outcome.applied, outcome
        assert "done by" in outcome.detail
        wait_turns(story, 5)
        # It goes on deciding, of what is left.
        assert replicas(connection)["small"] >= 1
        assert "large" not in replicas(connection)


def test_what_does_not_get_ready_is_undone_and_said(connection: Connection, double: Double) -> None:
    moved_to_new(connection)
    double.set(never_ready=lambda pod: pod["metadata"]["annotations"]["ipa/variant"] == "small")
    outcome = roll_back(connection, toy(ready_timeout_s=0.5), OLD, WHY, StoppableClock())
    assert (outcome.applied, outcome.rolled_back) == (False, True)
    assert replicas(connection) == {"large": 1, "light": 1}


def test_a_change_under_way_is_not_cut_short(connection: Connection) -> None:
    moved_to_new(connection)
    record = records.read(connection, "toy")
    records.write(connection, "toy", replace(record, good=False, goal=OLD))
    with pytest.raises(ServingError, match=r"revision \d+ is still under way .*: wait until it is done"):
        roll_back(connection, toy(), OLD, WHY, StoppableClock())


def test_a_controller_that_never_does_it_is_not_awaited_for_ever(connection: Connection) -> None:
    moved_to_new(connection)
    config = toy(ready_timeout_s=0.2)
    with leading(config, connection):
        outcome = roll_back(connection, config, OLD, WHY, StoppableClock())
    assert not outcome.applied
    assert "has not finished it yet" in outcome.detail


def test_a_signal_ends_the_wait_for_a_controller(connection: Connection) -> None:
    moved_to_new(connection)
    clock = StoppableClock()
    with leading(toy(), connection):
        threading.Timer(6.0, clock.stop).start()
        outcome = roll_back(connection, toy(ready_timeout_s=60.0), OLD, WHY, clock)
    assert "this command was stopped" in outcome.detail
