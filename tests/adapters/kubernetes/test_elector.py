"""The Lease as it is on the server: taken, renewed, given back, and lost."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ipa.adapters.kubernetes.connection import Connection, Refused, Request
from ipa.adapters.kubernetes.elector import Elector, NotLeading
from tests.adapters.kubernetes.pipelines import SHORT, connection_to, until
from tests.kube.double import Double
from tests.kube.faults import Fault
from tests.kube.fixtures import Cluster

pytestmark = pytest.mark.cluster


def elector(connection: Connection, identity: str) -> Elector:
    return Elector(replace(connection, sleep=lambda _: None), "toy", identity, SHORT, jitter=lambda: 0.0)


def pause(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def spec(connection: Connection) -> dict[str, object]:
    path = connection.path("coordination.k8s.io/v1", "leases", "toy-controller")
    found: dict[str, object] = connection.get(path)["spec"]
    return found


def test_the_first_takes_it_and_the_second_waits_until_it_is_given_back(connection: Connection) -> None:
    one, two = elector(connection, "one"), elector(connection, "two")
    assert one.attempt() and not two.attempt()
    assert (one.leads(), two.leads(), two.holder) == (True, False, "one")
    with pytest.raises(NotLeading, match="one controls the pipeline"):
        two.guard()
    assert one.attempt()  # renewed, without being read first
    one.release()
    assert not one.leads()
    assert spec(connection)["holderIdentity"] == ""
    assert two.attempt()
    assert spec(connection)["leaseTransitions"] == 1


def test_a_dead_leader_is_succeeded_after_the_duration_of_its_lease(connection: Connection) -> None:
    one, two = elector(connection, "one"), elector(connection, "two")
    assert one.attempt()
    began_s = time.monotonic()
    assert two.acquire(pause)
    assert time.monotonic() - began_s >= 1.0  # the Lease counts whole seconds
    assert not one.attempt()


def test_a_living_leader_is_seen_and_not_waited_for(connection: Connection) -> None:
    one, two = elector(connection, "one"), elector(connection, "two")
    one.start()
    assert not two.acquire(pause)
    assert two.holder == "one"
    one.stop()


def test_a_leader_without_a_server_stops_before_its_lease_ends(connection: Connection, double: Double) -> None:
    one = elector(connection, "one")
    one.start()
    assert one.leads()
    with double.away():
        until(lambda: not one.leads(), "the leader to stop")
        with pytest.raises(NotLeading):
            one.guard()
    until(one.leads, "the leader to come back")
    one.stop()


def test_an_answer_that_is_lost_leaves_it_the_holder(connection: Connection, double: Double) -> None:
    one = elector(connection, "one")
    assert one.attempt()
    double.faults.add(Fault("cut after", 1, "PUT", "/leases/"))
    one._try()
    assert "PUT" in one.problem
    assert one.attempt() and one.leads()


def test_a_lease_that_may_not_be_written_is_said_at_once(cluster: Cluster, double: Double) -> None:
    path = double.write_kubeconfig(cluster.kubeconfig.with_name("reader"), cluster.namespace, double.reader_token)
    reader = connection_to(cluster, path)
    one = elector(reader, "one")
    with pytest.raises(Refused, match="403"):
        one.start()
    assert not one.leads()
    reader.client.close()


def test_a_lease_that_somebody_deletes_is_made_again(connection: Connection) -> None:
    one = elector(connection, "one")
    assert one.attempt()
    path = connection.path("coordination.k8s.io/v1", "leases", "toy-controller")
    connection.once(Request("DELETE", path, {}))
    until(one.attempt, "a new lease")
    assert spec(connection)["holderIdentity"] == "one"
