"""The journal in the cluster: bounded, only what is news, and nothing lost while the server is away."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.elector import Elector
from ipa.adapters.kubernetes.journal import LARGEST_BYTES, ClusterJournal, newest, read, write
from tests.kube.double import Double

pytestmark = pytest.mark.cluster


def turn(reason: str, *, applied: bool = False) -> dict[str, Any]:
    outcome = {"applied": True, "detail": ""} if applied else None
    return {"reason": reason, "apply": [{"stage": "a"}] if applied else None, "outcome": outcome}


def failed(detail: str) -> dict[str, Any]:
    return turn("nothing runs yet", applied=True) | {"outcome": {"applied": False, "detail": detail}}


def reasons(connection: Connection) -> list[str]:
    return [json.loads(line)["reason"] for line in read(connection, "toy")]


@pytest.fixture
def elector(connection: Connection) -> Elector:
    return Elector(connection, "toy")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)), st.integers(0, 200))
def test_the_newest_lines_that_fit_are_kept(lines: list[str], most: int) -> None:
    kept = newest(lines, most)
    assert lines[len(lines) - len(kept) :] == list(kept)
    assert sum(len(line.encode()) + 1 for line in kept) <= most
    if len(kept) < len(lines):
        assert sum(len(line.encode()) + 1 for line in lines[-len(kept) - 1 :]) > most


def test_what_was_applied_and_the_first_of_each_hold_are_recorded(connection: Connection, elector: Elector) -> None:
    journal = ClusterJournal(connection, "toy", elector)
    for reason in ("better by 1", "kept: it gains 0.1", "held: no answer 1", "held: no answer 2", "held: x", "kept: 3"):
        journal.append(turn(reason, applied=reason.startswith("better")))
    assert reasons(connection) == ["better by 1", "held: no answer 1", "held: x"]


def test_a_change_that_fails_at_every_turn_is_recorded_once(connection: Connection, elector: Elector) -> None:
    journal = ClusterJournal(connection, "toy", elector)
    for detail in ("0 of 3 ready", "0 of 3 ready", "1 of 3 ready", "an autoscaler is there", "an autoscaler is there"):
        journal.append(failed(detail))
    assert len(reasons(connection)) == 2


def test_what_cannot_be_written_now_is_written_later(connection: Connection, elector: Elector, double: Double) -> None:
    journal = ClusterJournal(replace(connection, sleep=lambda _: None), "toy", elector)
    with double.away():
        journal.append(turn("one", applied=True))
        journal.append(turn("two", applied=True))
    journal.append(turn("kept"))
    assert reasons(connection) == ["one", "two"]


def test_a_new_controller_adds_to_what_is_there_and_keeps_it_bounded(connection: Connection, elector: Elector) -> None:
    write(connection, "toy", [json.dumps(turn("x" * 1000)) for _ in range(300)])
    ClusterJournal(connection, "toy", elector).append(turn("newest", applied=True))
    lines = read(connection, "toy")
    assert sum(len(line) + 1 for line in lines) <= LARGEST_BYTES
    assert reasons(connection)[-1] == "newest"
    assert len(lines) > 200


def test_nobody_but_a_leader_writes(connection: Connection) -> None:
    ClusterJournal(connection, "toy", None).append(turn("dry", applied=True))
    other = Elector(connection, "toy", "other")
    assert other.attempt()
    standby = Elector(connection, "toy", "standby")
    standby.start()
    ClusterJournal(connection, "toy", standby).append(turn("standby", applied=True))
    assert read(connection, "toy") == ()
    standby.stop()


def test_conflicts_are_written_over_again(connection: Connection, elector: Elector, double: Double) -> None:
    double.faults.refuse(409, count=2, methods="PATCH")
    ClusterJournal(connection, "toy", elector).append(turn("one", applied=True))
    assert reasons(connection) == ["one"]
