"""Requests to a server that errs: again where that may help, never for ever, and said with verb and object."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.adapters.kubernetes import connection as module
from ipa.adapters.kubernetes.connection import ATTEMPTS, LONGEST_DELAY_S, Connection, Refused, delay_s
from ipa.adapters.kubernetes.credentials import client_of
from ipa.errors import Unavailable, UsageError
from tests.adapters.kubernetes.pipelines import connection_to
from tests.kube.double import Double
from tests.kube.faults import Fault
from tests.kube.fixtures import Cluster

pytestmark = pytest.mark.cluster


def hasty(connection: Connection) -> tuple[Connection, list[float]]:
    """One that notes what it would have waited."""
    waits: list[float] = []
    return replace(connection, sleep=waits.append, jitter=lambda: 0.0), waits


@given(st.integers(1, 20), st.none() | st.floats(0, 1e6), st.floats(0, 1))
def test_a_delay_is_bounded_and_no_shorter_than_asked_for(
    attempt: int, retry_after_s: float | None, jitter: float
) -> None:
    found_s = delay_s(attempt, retry_after_s, jitter)
    assert 0 <= found_s <= 1.5 * LONGEST_DELAY_S
    if retry_after_s is not None:
        assert found_s >= min(retry_after_s, LONGEST_DELAY_S)


@pytest.mark.parametrize("code", [429, 500, 503, 504])
def test_what_may_pass_is_tried_again_after_what_the_server_asks_for(
    connection: Connection, double: Double, code: int
) -> None:
    quick, waits = hasty(connection)
    double.faults.refuse(code, count=2, retry_after_s=2)
    assert quick.get(quick.path("v1", "pods"))["items"] == []
    assert waits == ([0.2, 0.4] if code == 500 else [2.0, 2.0])


def test_what_never_passes_ends_as_unavailable(connection: Connection, double: Double) -> None:
    quick, waits = hasty(connection)
    double.faults.refuse(500, count=100)
    with pytest.raises(Unavailable, match=r"GET /api/v1/namespaces/ipa-test/pods: 500 .*leader changed, 4 times"):
        quick.get(quick.path("v1", "pods"))
    assert len(waits) == ATTEMPTS - 1


def test_a_server_that_is_away_is_unavailable(connection: Connection, double: Double) -> None:
    quick, _ = hasty(connection)
    with double.away(), pytest.raises(Unavailable, match="refused"):
        quick.get(quick.path("v1", "pods"))
    assert quick.get(quick.path("v1", "pods"))["kind"] == "PodList"


def test_a_connection_that_is_cut_is_tried_again(connection: Connection, double: Double) -> None:
    quick, waits = hasty(connection)
    double.faults.add(Fault("cut", 1))
    assert quick.get(quick.path("v1", "pods"))["items"] == []
    assert len(waits) == 1


def test_a_slow_answer_is_given_up(connection: Connection, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    double.faults.add(Fault("slow", 100, delay_s=1.0))
    quick, _ = hasty(connection)
    began_s = time.monotonic()
    with pytest.raises(Unavailable, match="timed out"):
        quick.get(quick.path("v1", "pods"))
    assert time.monotonic() - began_s < 4.0


def test_a_wrong_token_is_final_and_said(cluster: Cluster, double: Double) -> None:
    path = double.write_kubeconfig(cluster.kubeconfig.with_name("wrong"), cluster.namespace, "no-such-token")
    wrong, waits = hasty(connection_to(cluster, path))
    with pytest.raises(Refused, match=r"401 .*credentials of this kubeconfig context") as refused:
        wrong.get(wrong.path("v1", "pods"))
    assert (refused.value.status, waits) == (401, [])
    wrong.client.close()


def test_a_missing_right_names_verb_and_resource(cluster: Cluster, double: Double) -> None:
    path = double.write_kubeconfig(cluster.kubeconfig.with_name("reader"), cluster.namespace, double.reader_token)
    reader, waits = hasty(connection_to(cluster, path))
    with pytest.raises(Refused, match=r"POST /api/v1/namespaces/ipa-test/configmaps: 403 .*cannot create resource"):
        reader.create(reader.path("v1", "configmaps"), {"metadata": {"name": "x"}})
    assert waits == []
    reader.client.close()


def test_what_is_not_there_is_nothing_to_find_and_an_error_to_get(connection: Connection) -> None:
    path = connection.path("v1", "configmaps", "none")
    assert connection.find(path) is None
    with pytest.raises(Refused, match="404"):
        connection.get(path)


def test_a_write_asks_its_guard_before_every_attempt(connection: Connection, double: Double) -> None:
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise Unavailable("the lease is lost")

    quick, _ = hasty(connection)
    double.faults.refuse(500, count=100, methods="POST")
    with pytest.raises(Unavailable, match="the lease is lost"):
        quick.guarded(guard).create(quick.path("v1", "configmaps"), {"metadata": {"name": "x"}})
    assert len([r for r in double.records if r.method == "POST"]) == 2


# --- credentials ----------------------------------------------------------------------------------------------------


def test_a_kubeconfig_says_where_and_in_which_namespace(cluster: Cluster) -> None:
    client, namespace = client_of(str(cluster.kubeconfig), None)
    assert namespace == cluster.namespace
    assert client.user_agent.startswith("ipa/")
    client.close()


def test_a_kubeconfig_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        client_of(str(tmp_path / "nowhere"), None)


def test_a_context_that_is_not_there_is_a_usage_error(cluster: Cluster) -> None:
    with pytest.raises(UsageError, match="context 'other' of"):
        client_of(str(cluster.kubeconfig), "other")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "kind: Config\ncurrent-context: x\n"])
def test_a_broken_kubeconfig_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(UsageError, match="kubeconfig"):
        client_of(str(path), None)
