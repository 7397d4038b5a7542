"""What the cluster says before a decision: what runs, what was changed by hand, what was broken off, what is scarce."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.connection import APPLY_PATCH, MERGE_PATCH, Connection, Refused
from ipa.adapters.kubernetes.elector import NotLeading
from ipa.adapters.kubernetes.names import Server
from ipa.errors import ServingError, Unavailable
from tests.adapters.kubernetes.loops import Says, adapting, wait_turns
from tests.adapters.kubernetes.pipelines import (
    Controller,
    apply_as,
    connection_to,
    deployment,
    install,
    leading,
    plan,
    replicas,
    toy,
    until,
)
from tests.kube.double import Double
from tests.kube.fixtures import Cluster

pytestmark = pytest.mark.cluster

SMALL = plan(("small", 2), ("light", 1))
BEST = plan(("large", 1), ("heavy", 1))  # at 10 requests/s


def scale_by_hand(connection: Connection, name: str, count: int) -> None:
    """As `kubectl scale` does."""
    path = connection.path("apps/v1", "deployments", f"{name}/scale")
    connection.patch(path, {"spec": {"replicas": count}}, MERGE_PATCH, {"fieldManager": "kubectl"})


def test_before_anything_runs_there_is_no_live_plan(connection: Connection) -> None:
    config = toy()
    assert Controller(config, connection).cluster.live() is None
    install(connection, config)
    assert Controller(config, connection).cluster.live() is None


def test_what_runs_is_taken_as_it_is_before_there_is_a_record(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    cluster = Controller(config, connection).cluster
    assert cluster.live() == SMALL
    until(lambda: cluster.live() and cluster.ready(), "readiness")
    constraints = cluster.constraints()
    assert (constraints.hold, constraints.restore) == ("", None)


def test_a_new_controller_resumes_from_what_is_there(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    first = plan(("large", 2), ("heavy", 1), batch=4)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(first).applied
    heir = Controller(config, connection).cluster
    assert heir.live() == first
    assert heir.ready()
    assert heir.constraints().restore is None


def test_drift_is_corrected_and_its_author_named(connection: Connection) -> None:
    with adapting(controller_of(connection), Says(10)) as story:
        connection = story.controller.connection
        until(lambda: replicas(connection) == {"large": 1, "heavy": 1}, "the best plan")
        until(lambda: story.controller.record().destination == BEST, "the end of the change")
        scale_by_hand(connection, "toy-detect-large-cpu", 4)
        until(lambda: any("changed by hand" in r for r in story.reasons()), "the drift to be seen")
        until(lambda: replicas(connection) == {"large": 1, "heavy": 1}, "the drift to be corrected")
        reason = next(r for r in story.reasons() if "changed by hand" in r)
        assert reason == "changed by hand: toy-detect-large-cpu has 4 replicas, planned 1 (by kubectl)"


def test_drift_is_left_alone_where_it_is_to_be(connection: Connection) -> None:
    config = toy(drift="leave")
    install(connection, config)
    with adapting(Controller(config, connection), Says(10)) as story:
        until(lambda: replicas(connection) == {"large": 1, "heavy": 1}, "the best plan")
        until(lambda: story.controller.record().destination == BEST, "the end of the change")
        scale_by_hand(connection, "toy-detect-large-cpu", 4)
        wait_turns(story, 4)
        assert "held: changed by hand, and cluster.drift is leave" in story.reasons()[-1]
        assert replicas(connection)["large"] == 4
        scale_by_hand(connection, "toy-detect-large-cpu", 1)
        wait_turns(story, 4)
        assert not story.reasons()[-1].startswith("held")


def test_cores_changed_by_hand_are_drift_too(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        wide = deployment("toy", Server("detect", "small", "cpu"), 2, cores=2)
        del wide["spec"]["replicas"]
        apply_as(connection, "kubectl", wide, force=True)
        controller.cluster.live()
        constraints = controller.cluster.constraints()
        assert constraints.restore == SMALL
        assert "toy-detect-small-cpu has 2 cores, planned 1 (by kubectl)" in constraints.why


def test_a_change_that_was_broken_off_after_the_first_patch_is_taken_back(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        left = deployment("toy", Server("detect", "large", "cpu"), 3)
        apply_as(connection, "ipa", left, force=True)
        assert controller.cluster.live() == SMALL
        constraints = controller.cluster.constraints()
        assert constraints.restore == SMALL
        assert constraints.why.startswith("a change was broken off: toy-detect-large-cpu has 3 replicas, planned 0")
        assert controller.cluster.apply(SMALL).applied
        assert replicas(connection) == {"small": 2, "light": 1}


def test_a_change_that_was_broken_off_after_the_switch_is_finished(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    goal = plan(("small", 1), ("light", 1))
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        record = controller.record()
        records.write(connection, "toy", replace(record, good=False, goal=goal, back=SMALL, why="better by 1"))
        controller.cluster.live()
        constraints = controller.cluster.constraints()
        assert constraints.restore == goal
        assert constraints.why == "the change of revision 1 was not finished: better by 1"
        assert controller.cluster.apply(goal).applied
        assert controller.record().good


def test_pods_that_lose_their_node_bound_the_next_plan(connection: Connection, double: Double) -> None:
    config = toy(ready_timeout_s=0.4)
    install(connection, config)
    with leading(config, connection) as controller:
        cluster = controller.cluster
        assert cluster.apply(plan(("large", 3), ("light", 1))).applied
        double.set_capacity(2)
        for pod in connection.get(connection.path("v1", "pods"))["items"]:
            if pod["metadata"]["annotations"]["ipa/variant"] == "large":
                delete(connection, pod["metadata"]["name"])
        until(lambda: cluster.live() and cluster.ready() and cluster.constraints().cores, "the scarcity to be seen")
        constraints = cluster.constraints()
        assert constraints.cores == 2
        assert "Insufficient cpu" in constraints.why


def delete(connection: Connection, name: str) -> None:
    from ipa.adapters.kubernetes.connection import Request

    connection.once(Request("DELETE", connection.path("v1", "pods", name), {"gracePeriodSeconds": "0"}))


def test_a_size_that_is_no_whole_number_of_cores_is_refused_by_name(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    item = deployment("toy", Server("detect", "small", "cpu"))
    item["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}}
    apply_as(connection, "ipa-manifests", item, force=True)
    with pytest.raises(ServingError, match=r"toy-detect-small-cpu: its model requests 500m of cpu"):
        Controller(config, connection).cluster.live()


def test_rights_that_are_taken_away_later_only_hold(cluster: Cluster, connection: Connection, double: Double) -> None:
    config = toy()
    install(connection, config)
    controller = Controller(config, connection)
    controller.cluster.live()
    path = double.write_kubeconfig(cluster.kubeconfig.with_name("wrong"), cluster.namespace, "no-such-token")
    wrong = connection_to(cluster, path)
    controller.cluster.world = replace(controller.world, connection=wrong)
    with pytest.raises(Unavailable, match="401"):
        controller.cluster.live()
    fresh = Controller(config, wrong)
    with pytest.raises(Refused, match="401"):
        fresh.cluster.live()
    wrong.client.close()


def test_applying_once_takes_the_lease_for_as_long(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    once = Controller(config, connection)
    assert once.cluster.apply(SMALL).applied
    assert not once.elector.leads()
    with leading(config, connection) as controller:
        with pytest.raises(NotLeading, match=f"controlled by {controller.elector.identity}"):
            once.cluster.apply(BEST)
        assert replicas(connection) == {"small": 2, "light": 1}


def test_a_record_that_nobody_of_ipa_wrote_is_refused(connection: Connection) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "toy-plan"}, "data": {"plan.json": "[1]"}}
    connection.patch(
        connection.path("v1", "configmaps", "toy-plan"), body, APPLY_PATCH, {"fieldManager": "x", "force": "true"}
    )
    with pytest.raises(ServingError, match="ConfigMap toy-plan: not a plan"):
        Controller(toy(), connection).cluster.live()


def controller_of(connection: Connection) -> Controller:
    config = toy()
    install(connection, config)
    return Controller(config, connection)
