"""Events: one sentence is counted up, no object is flooded, and an event that fails fails nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.events import BURST, REFILL_S, Events
from ipa.adapters.kubernetes.observe import Deployment, observe
from tests.adapters.kubernetes.pipelines import install, plan, toy
from tests.kube.double import Double

pytestmark = pytest.mark.cluster


@pytest.fixture
def deployments(connection: Connection) -> tuple[Deployment, ...]:
    install(connection, toy(), plan(("small", 1), ("light", 1)))
    return observe(connection, "toy", ["detect", "classify"]).deployments


def told(connection: Connection) -> list[dict[str, Any]]:
    events = connection.get(connection.path("v1", "events"))["items"]
    return [event for event in events if event["source"]["component"] == "ipa"]


def test_the_same_sentence_is_counted(connection: Connection, deployments: tuple[Deployment, ...]) -> None:
    events = Events(connection)
    for _ in range(3):
        events.tell("Changing", "better by 1", deployments[:1])
    events.tell("Drift", "changed by hand", deployments[:1])
    found = sorted((e["reason"], e["type"], e["count"]) for e in told(connection))
    assert found == [("Changing", "Normal", 3), ("Drift", "Warning", 1)]


def test_an_object_gets_a_burst_and_then_one_in_five_minutes(
    connection: Connection, deployments: tuple[Deployment, ...]
) -> None:
    now = [0.0]
    events = Events(connection, now_s=lambda: now[0])
    for i in range(BURST + 10):
        events.tell("Changing", f"{i}", deployments[:1])
    assert len(told(connection)) == BURST
    now[0] = REFILL_S
    for i in range(5):
        events.tell("Changing", f"later {i}", deployments[:1])
    assert len(told(connection)) == BURST + 1


def test_a_server_that_refuses_events_stops_nothing(
    connection: Connection, deployments: tuple[Deployment, ...], double: Double
) -> None:
    events = Events(connection)
    double.faults.refuse(500, count=1, methods="POST", path="/events")
    events.tell("Changing", "one", deployments[:1])
    events.tell("Changing", "x" * 5000, deployments[:1])
    assert [len(e["message"]) for e in told(connection)] == [1000]
