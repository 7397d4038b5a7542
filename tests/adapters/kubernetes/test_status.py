from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import Connection
from ipa.adapters.kubernetes.status import live, status
from ipa.errors import UsageError
from tests.adapters.kubernetes.pipelines import apply_as, deployment, install, leading, plan, servers, toy, until
from tests.kube.double import Double

pytestmark = pytest.mark.cluster

START = plan(("small", 2), ("light", 1))


def test_what_was_never_installed_is_said_to_be_missing(connection: Connection) -> None:
    with pytest.raises(UsageError, match=r"pipeline 'toy' is not in namespace .*: apply what `ipa manifests` renders"):
        status(connection, toy())


def test_before_any_decision_the_start_plan_runs_and_nobody_controls_it(connection: Connection) -> None:
    install(connection, toy(), START)
    until(lambda: status(connection, toy()).ready, "the start plan")
    found = status(connection, toy())
    assert [(each.allocation.variant, each.ready) for each in found.running] == [("small", 2), ("light", 1)]
    assert (found.revision, found.controller, found.goal, found.notes) == (None, "", None, ())
    assert live(connection, toy()) == START


def test_a_plan_that_was_decided_says_why_and_by_whom(connection: Connection) -> None:
    install(connection, toy(), START)
    with leading(toy(), connection) as controller:
        controller.cluster.announce("the best plan")
        assert controller.cluster.apply(plan(("large", 1), ("light", 1), batch=4)).applied
        found = status(connection, toy())
    assert found.ready
    assert (found.why, found.controller) == ("the best plan", controller.elector.identity)
    assert [each.allocation.batch for each in found.running] == [4, 4]
    assert found.revision is not None


def test_a_stage_without_a_replica_is_not_ready(connection: Connection) -> None:
    install(connection, toy())
    found = status(connection, toy())
    assert (found.ready, found.running, live(connection, toy())) == (False, (), None)


def test_pods_without_a_place_are_named(connection: Connection, double: Double) -> None:
    double.set_capacity(2)
    install(connection, toy(), START)
    until(lambda: sum(each.ready for each in status(connection, toy()).running) == 2, "what has a place")
    until(lambda: status(connection, toy()).notes, "a pod without a place")
    found = status(connection, toy())
    assert not found.ready
    assert any("Insufficient cpu" in note for note in found.notes)


def test_a_change_by_hand_and_one_under_way_are_said(connection: Connection) -> None:
    install(connection, toy(), START)
    with leading(toy(), connection) as controller:
        assert controller.cluster.apply(START).applied
    small = servers(toy().pipeline)[0]
    item = deployment("toy", small, 5)
    apply_as(connection, "kubectl", {**item, "spec": {"replicas": 5}}, force=True)
    assert any("has 5 replicas, planned 2 (by kubectl)" in note for note in status(connection, toy()).notes)
    record = records.read(connection, "toy")
    goal = plan(("large", 1), ("light", 1))
    records.write(connection, "toy", replace(record, good=False, goal=goal))
    assert status(connection, toy()).goal == goal
