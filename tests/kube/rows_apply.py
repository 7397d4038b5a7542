"""Rows about server-side apply and who manages which field."""

from __future__ import annotations

from typing import Any

from tests.kube.asking import PAUSE, Row, asking, config_map, deployment, managers
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

_SSA = "https://kubernetes.io/docs/reference/using-api/server-side-apply/"
_MODEL = 'k:{"name":"model"}'


def _owned(cores: str, replicas: int = 0) -> Object:
    """What a controller owns of a Deployment: replicas, the requests and one variable of one container."""
    container: Object = {"name": "model", "resources": {"requests": {"cpu": cores}}}
    container["env"] = [{"name": "IPA_CORES", "value": cores}]
    return {"spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}}}


def _container(o: Object) -> Any:
    return o["spec"]["template"]["spec"]["containers"][0]


def _creates(cluster: Cluster) -> None:
    ask = asking(cluster)
    made = ask.apply("deployments", "web", deployment(replicas=0), "one")
    assert made.code == 201
    assert ask.apply("deployments", "web", deployment(replicas=0), "one").code == 200
    fields = managers(made.body)[("one", "Apply")]
    assert fields["f:metadata"] == {"f:labels": {"f:app": {}}}
    container = fields["f:spec"]["f:template"]["f:spec"]["f:containers"][_MODEL]
    assert container["."] == {}
    assert container["f:ports"] == {
        'k:{"containerPort":8081,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:name": {}}
    }
    assert "f:strategy" not in fields["f:spec"]  # a default is nobody's


def _conflicts(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(replicas=0), "one")
    one = ask.apply("deployments", "web", {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}}}, "two")
    assert one.code == 200  # the same values are shared, not in conflict
    refused = ask.apply("deployments", "web", _owned("200m"), "two")
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    assert {cause["reason"] for cause in refused.body["details"]["causes"]} == {"FieldManagerConflict"}
    path = '.spec.template.spec.containers[name="model"]'
    assert {(cause["field"], cause["message"]) for cause in refused.body["details"]["causes"]} == {
        (f'{path}.env[name="IPA_CORES"].value', 'conflict with "one"'),
        (f"{path}.resources.requests.cpu", 'conflict with "one"'),
    }
    assert refused.body["message"].startswith('Apply failed with 2 conflicts: conflicts with "one":\n- .spec')
    single = ask.apply("deployments", "web", {"metadata": {"labels": {"app": "x"}}}, "two")
    assert single.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .metadata.labels.app'


def _forces(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(replicas=0), "one")
    taken = ask.apply("deployments", "web", _owned("200m"), "two", force="true").body
    container = _container(taken)
    assert container["resources"]["requests"]["cpu"] == "200m"
    assert {e["name"]: e["value"] for e in container["env"]} == {"IPA_CORES": "200m", "KEPT": "x"}
    assert container["image"] == PAUSE
    held = managers(taken)
    ones = held[("one", "Apply")]["f:spec"]["f:template"]["f:spec"]["f:containers"][_MODEL]
    twos = held[("two", "Apply")]["f:spec"]["f:template"]["f:spec"]["f:containers"][_MODEL]
    assert "f:resources" not in ones
    assert ones["f:env"]['k:{"name":"IPA_CORES"}'] == {".": {}, "f:name": {}}
    assert twos["f:env"] == {'k:{"name":"IPA_CORES"}': {".": {}, "f:name": {}, "f:value": {}}}
    assert "f:replicas" in held[("one", "Apply")]["f:spec"]  # 0 by both: shared


def _lets_go(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("configmaps", "a", {"data": {"mine": "1", "shared": "1"}}, "one")
    ask.apply("configmaps", "a", {"data": {"shared": "1", "theirs": "1"}}, "two")
    left = ask.apply("configmaps", "a", {"metadata": {"labels": {"x": "y"}}}, "one").body
    assert left["data"] == {"shared": "1", "theirs": "1"}
    last = ask.apply("configmaps", "a", {"metadata": {}}, "two").body
    assert last.get("data") in (None, {})
    assert managers(last).keys() == {("one", "Apply")}


def _list_items(cluster: Cluster) -> None:
    ask = asking(cluster)
    body = deployment(replicas=0)
    _container(body)["env"].append({"name": "EXTRA", "value": "1"})
    ask.apply("deployments", "web", body, "one")
    fewer = ask.apply("deployments", "web", deployment(replicas=0), "one").body
    assert [e["name"] for e in _container(fewer)["env"]] == ["IPA_CORES", "KEPT"]
    sidecar: Object = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": PAUSE}]}}}}
    both = ask.apply("deployments", "web", sidecar, "two").body
    assert [c["name"] for c in both["spec"]["template"]["spec"]["containers"]] == ["model", "side"]
    again = ask.apply("deployments", "web", {"metadata": {"labels": {"two": "x"}}}, "two").body
    assert [c["name"] for c in again["spec"]["template"]["spec"]["containers"]] == ["model"]


def _updates_own(cluster: Cluster) -> None:
    ask = asking(cluster)
    made = ask.create("configmaps", config_map("a", k="1", other="1"), fieldManager="maker").body
    assert managers(made)[("maker", "Update")] == {"f:data": {".": {}, "f:k": {}, "f:other": {}}}
    changed = ask.patch("configmaps", "a", {"data": {"k": "2"}}, fieldManager="patcher").body
    assert managers(changed)[("patcher", "Update")] == {"f:data": {"f:k": {}}}
    assert "f:k" not in managers(changed)[("maker", "Update")]["f:data"]
    refused = ask.apply("configmaps", "a", {"data": {"k": "3"}}, "patcher")
    assert refused.code == 409  # applying is another owner than updating, under one name too
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "patcher" using v1', "field": ".data.k"}
    ]


def _default_manager(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.api.user_agent = "somebody/1.2 (of here)"
    assert managers(ask.create("configmaps", config_map("a", k="1")).body).keys() == {("somebody", "Update")}


def _refusals(cluster: Cluster) -> None:
    ask = asking(cluster)
    kind = "application/apply-patch+yaml"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    assert ask.raw("PATCH", ask.at("configmaps", "a"), body, kind).code == 422  # no manager
    number = deployment(replicas=0)
    _container(number)["env"][0]["value"] = 2
    wrong = ask.apply("deployments", "web", number, "one")
    assert (wrong.code, "expected string" in wrong.body["message"]) == (500, True)
    unknown = ask.apply("configmaps", "a", {"spec": {}}, "one")
    assert "field not declared in schema" in unknown.body["message"]
    ask.apply("configmaps", "a", {"data": {"k": "1"}}, "one")
    held = ask.get("configmaps", "a").body["metadata"]["managedFields"]
    assert ask.apply("configmaps", "a", {"metadata": {"managedFields": held}}, "one").code == 400
    stale = {"metadata": {"resourceVersion": "1"}, "data": {"k": "2"}}
    assert ask.apply("configmaps", "a", stale, "one").code == 409
    assert ask.patch("configmaps", "a", {"data": {"k": "2"}}, force="true").code == 422


def _scale_owner(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(replicas=0, paused=True), "one")
    ask.patch("deployments", "web", {"spec": {"replicas": 1}}, part="scale", fieldManager="autoscaler")
    refused = ask.apply("deployments", "web", {"spec": {"replicas": 2}}, "two")
    said = 'conflict with "autoscaler" with subresource "scale" using apps/v1'
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": said, "field": ".spec.replicas"}
    ]
    ask.patch("deployments", "web", {"spec": {"replicas": 0}}, part="scale", fieldManager="autoscaler")


def _idle_apply(cluster: Cluster) -> None:
    ask = asking(cluster)
    first = ask.apply("deployments", "web", deployment(replicas=0, paused=True), "one").body
    again = ask.apply("deployments", "web", deployment(replicas=0, paused=True), "one").body
    assert again["metadata"]["generation"] == first["metadata"]["generation"]
    held = [e for e in again["metadata"]["managedFields"] if e["manager"] == "one"]
    assert held == [e for e in first["metadata"]["managedFields"] if e["manager"] == "one"]


ROWS = [
    Row("apply creates and then owns what it sent", _SSA + "#field-management", _creates),
    Row("a conflict names manager and field", _SSA + "#conflicts", _conflicts),
    Row("force takes the fields over, the rest stays", _SSA + "#conflicts", _forces),
    Row("what is applied no longer goes, unless it is shared", _SSA + "#field-management", _lets_go),
    Row("list items are merged by their keys", _SSA + "#merge-strategy", _list_items),
    Row("every other write owns what it changes", _SSA + "#managers", _updates_own),
    Row("a write without a manager gets one", _SSA + "#managers", _default_manager),
    Row("an apply that breaks a rule is refused", _SSA + "#api-create-and-update", _refusals),
    Row("scaling owns the replicas under its subresource", _SSA + "#transferring-ownership", _scale_owner),
    Row("applying the same again changes nothing", _SSA + "#comparison-with-client-side-apply", _idle_apply),
]
