"""A change as the cluster sees it: make before break, only what is owned, back where it does not become ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.adapters.kubernetes import record as records
from ipa.adapters.kubernetes.apply import fields, set_size
from ipa.adapters.kubernetes.cluster import KubernetesCluster
from ipa.adapters.kubernetes.connection import APPLY_PATCH, Connection, Refused
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.observe import deployment_named
from ipa.adapters.kubernetes.way import Size
from ipa.errors import ServingError, Unavailable
from tests.adapters.kubernetes.capacity import least
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
)
from tests.kube.double import Double
from tests.kube.fixtures import Cluster

pytestmark = pytest.mark.cluster

SMALL = plan(("small", 2), ("light", 1))
LARGE = plan(("large", 3), ("light", 1), batch=4)


def test_the_first_plan_is_raised_recorded_and_live(connection: Connection) -> None:
    config = toy()
    install(connection, config)
    with leading(config, connection) as controller:
        assert controller.cluster.live() is None
        outcome = controller.cluster.apply(SMALL)
        assert outcome.applied, outcome
        assert controller.cluster.live() == SMALL
        assert controller.cluster.ready()
        record = controller.record()
        assert (record.revision, record.good, record.destination) == (1, True, SMALL)


def test_another_variant_is_up_before_the_old_one_goes(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        outcome = controller.cluster.apply(LARGE)
        assert outcome.applied, outcome
        assert replicas(connection) == {"large": 3, "light": 1}
        assert controller.cluster.live() == LARGE


def test_a_plan_that_does_not_become_ready_is_taken_back_and_barred(connection: Connection, double: Double) -> None:
    config = toy(ready_timeout_s=0.5)
    install(connection, config, SMALL)
    double.set(never_ready=lambda pod: pod["metadata"]["annotations"]["ipa/variant"] == "large")
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        outcome = controller.cluster.apply(LARGE)
        assert (outcome.applied, outcome.rolled_back) == (False, True)
        assert "0 of 3 replicas ready in time" in outcome.detail
        assert replicas(connection) == {"small": 2, "light": 1}
        assert controller.cluster.live() == SMALL
        barred = controller.cluster.constraints().barred
        assert [(a.stage, a.variant) for a in barred] == [("detect", "large")]


def test_the_router_has_time_to_follow_before_anything_old_goes(connection: Connection, double: Double) -> None:
    config = toy()
    config = replace(config, cluster=replace(config.cluster, router_switch_s=0.1))
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        double.forget_records()
        assert controller.cluster.apply(LARGE).applied
    writes = [(r.at_s, r.name) for r in double.records if r.method == "PATCH" and r.resource != "events"]
    assert [name for _, name in writes] == ["toy-detect-large-cpu", "toy-plan", "toy-detect-small-cpu"]
    assert writes[2][0] - writes[1][0] >= 0.1


def test_other_cores_roll_one_deployment_and_old_and_new_pods_serve_together(
    connection: Connection, double: Double
) -> None:
    config = toy()
    install(connection, config, SMALL)
    wide = plan(("small", 2), ("light", 1), cores=2)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        version = double.store.version
        outcome = controller.cluster.apply(wide)
        assert outcome.applied, outcome
        assert controller.cluster.live() == wide
    assert least(double, connection.namespace, "toy", version) == {"detect": 2, "classify": 1}
    item = connection.get(connection.path("apps/v1", "deployments", "toy-detect-small-cpu"))
    container = item["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["cpu"] == "2"
    assert {"name": "IPA_CORES", "value": "2"} in container["env"]
    assert {"name": "IPA_STAGE", "value": "detect"} in container["env"]  # not ipa's, and still there


def test_a_batch_alone_restarts_nothing(connection: Connection, double: Double) -> None:
    config = toy()
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        double.forget_records()
        assert controller.cluster.apply(plan(("small", 2), ("light", 1), batch=4)).applied
        assert controller.cluster.live() == plan(("small", 2), ("light", 1), batch=4)
    assert [r.name for r in double.records if r.method == "PATCH" and r.resource != "events"] == ["toy-plan"]


def test_where_new_pods_find_no_room_beside_old_ones_they_are_replaced_one_by_one(
    connection: Connection, double: Double
) -> None:
    config = toy(ready_timeout_s=1.0)
    install(connection, config, SMALL)
    double.set_capacity(3)
    swapped = plan(("large", 2), ("light", 1))
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        version = double.store.version
        outcome = controller.cluster.apply(swapped)
        assert outcome.applied, outcome
        assert "detect: less capacity during the change" in outcome.detail
        assert "Insufficient cpu" in outcome.detail
        assert replicas(connection) == {"large": 2, "light": 1}
    assert least(double, connection.namespace, "toy", version) == {"detect": 1, "classify": 1}


def test_a_quota_that_is_too_small_is_reported_and_bounds_the_next_plan(connection: Connection) -> None:
    config = toy(ready_timeout_s=1.0)
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "4"}}}
        connection.create(connection.path("v1", "resourcequotas"), quota)
        outcome = controller.cluster.apply(plan(("large", 5), ("light", 1)))
        assert (outcome.applied, outcome.rolled_back) == (False, True)
        assert "exceeded quota" in outcome.detail
        assert replicas(connection) == {"small": 2, "light": 1}
        controller.cluster.live()
        constraints = controller.cluster.constraints()
        assert constraints.cores is not None and 3 <= constraints.cores <= 4
        assert "exceeded quota" in constraints.why


def test_a_size_that_no_pod_may_have_is_barred(connection: Connection) -> None:
    config = toy(ready_timeout_s=0.6)
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        limit = {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}
        connection.create(connection.path("v1", "limitranges"), {"metadata": {"name": "small"}, "spec": limit})
        outcome = controller.cluster.apply(plan(("large", 1), ("light", 1), cores=4))
        assert outcome.rolled_back
        assert "maximum cpu usage per Container is 2" in outcome.detail
        controller.cluster.live()
        assert (4, "large") in [(a.cores, a.variant) for a in controller.cluster.constraints().barred]


def test_without_an_earlier_plan_a_failure_leaves_what_could_be_raised(connection: Connection, double: Double) -> None:
    config = toy(ready_timeout_s=0.4)
    install(connection, config)
    double.set(never_ready=lambda pod: pod["metadata"]["annotations"]["ipa/variant"] == "large")
    with leading(config, connection) as controller:
        outcome = controller.cluster.apply(LARGE)
        assert (outcome.applied, outcome.rolled_back) == (False, False)
        assert "no earlier plan to go back to" in outcome.detail
        assert controller.cluster.apply(SMALL).applied
        assert replicas(connection) == {"small": 2, "light": 1}


def test_a_plan_without_its_deployment_is_refused_before_anything_is_touched(connection: Connection) -> None:
    config = toy()
    with leading(config, connection) as controller, pytest.raises(ServingError, match="`ipa manifests` renders first"):
        controller.cluster.apply(SMALL)


def test_an_autoscaler_on_the_same_object_is_refused(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "toy-detect-small-cpu"}
    hpa = {"metadata": {"name": "other"}, "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}}
    connection.create(connection.path("autoscaling/v2", "horizontalpodautoscalers"), hpa)
    with leading(config, connection) as controller, pytest.raises(ServingError, match="kubectl delete hpa other"):
        controller.cluster.apply(LARGE)
    assert replicas(connection) == {"small": 2, "light": 1}


def test_another_controllers_fields_are_left_to_it(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    item = deployment("toy", Server("detect", "small", "cpu"), 7)
    apply_as(connection, "argocd-controller", item, force=True)
    with leading(config, connection) as controller:
        assert controller.cluster.live() is not None
        assert "'argocd-controller'" in controller.cluster.constraints().hold
        with pytest.raises(ServingError, match="two controllers of one field"):
            controller.cluster.apply(LARGE)


def test_a_dry_run_asks_the_server_and_changes_nothing(connection: Connection, double: Double) -> None:
    config = toy()
    install(connection, config, SMALL)
    watching = KubernetesCluster(Controller(config, connection).world, None)
    world = replace(watching.world, connection=connection)
    watching.world = world
    double.forget_records()
    outcome = watching.try_out(LARGE)
    assert outcome.detail == "dry run: the server accepts 2 changes"
    assert replicas(connection) == {"small": 2, "light": 1}
    assert {r.query.get("dryRun") for r in double.records if r.method != "GET"} == {"All"}


def test_a_dry_run_with_rights_to_read_alone_says_so(cluster: Cluster, double: Double, connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    path = double.write_kubeconfig(cluster.kubeconfig.with_name("reader"), cluster.namespace, double.reader_token)
    reading = connection_to(cluster, path)
    watching = KubernetesCluster(replace(Controller(config, reading).world, connection=reading), None)
    assert watching.live() is not None
    assert "may only be read" in watching.try_out(LARGE).detail
    with pytest.raises(ServingError, match="only watches"):
        watching.apply(LARGE)
    reading.client.close()


def test_a_late_write_of_a_stalled_leader_is_refused_by_the_server(connection: Connection) -> None:
    """It carries the version it was decided on: whoever acted in between has changed it."""
    config = toy()
    install(connection, config, SMALL)
    name = "toy-detect-small-cpu"
    stale = deployment_named(connection, name)
    set_size(connection, name, Size(3, 1), None)
    path, query = connection.path("apps/v1", "deployments", name), {"fieldManager": "ipa", "force": "true"}
    with pytest.raises(Refused) as refused:
        connection.patch(path, fields(stale, Size(9, 1), None), APPLY_PATCH, query)
    assert refused.value.status == 409
    assert replicas(connection)["small"] == 3


def test_a_plan_of_record_that_somebody_else_writes_meanwhile_is_not_overwritten(
    connection: Connection, double: Double
) -> None:
    config = toy()
    install(connection, config, SMALL)
    double.set(ready_after_s=0.5)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied

        def write_another(_: float) -> bool:
            record = controller.record()
            if record.revision == 1:
                records.write(connection, "toy", record.moved(record.rows, "by another", 0.0))
            return True

        controller.cluster.world = replace(controller.world, pause=write_another)
        with pytest.raises(Unavailable, match="changed meanwhile, to revision 2"):
            controller.cluster.apply(LARGE)
        assert controller.record().why == "by another"


def test_a_decision_on_a_record_that_is_no_longer_true_is_not_carried_out(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        assert controller.cluster.apply(SMALL).applied
        assert controller.cluster.live() == SMALL
        record = controller.record()
        records.write(connection, "toy", record.moved(record.rows, "ipa rollback", 0.0))
        with pytest.raises(Unavailable, match="from revision 1 to 2"):
            controller.cluster.apply(LARGE)
        assert controller.cluster.live() == SMALL
        assert controller.cluster.apply(LARGE).applied


def test_every_touched_deployment_says_why(connection: Connection) -> None:
    config = toy()
    install(connection, config, SMALL)
    with leading(config, connection) as controller:
        controller.cluster.announce("the live plan cannot serve 60 requests/s: rate")
        assert controller.cluster.apply(LARGE).applied
    events = connection.get(connection.path("v1", "events"))["items"]
    said = {
        (e["involvedObject"]["name"], e["reason"]): e["message"] for e in events if e["source"]["component"] == "ipa"
    }
    why = "the live plan cannot serve 60 requests/s: rate"
    assert said["toy-detect-large-cpu", "Changing"] == why
    assert said["toy-detect-large-cpu", "Changed"] == f"{why}: done"
