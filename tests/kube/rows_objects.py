"""Rows about objects: verbs, names, lists, versions, dry runs, subresources."""

from __future__ import annotations

from tests.kube.asking import Row, asking, config_map, deployment
from tests.kube.fixtures import Cluster

_API = "https://kubernetes.io/docs/reference/using-api/api-concepts/"
_META = "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/"


def _created_once(cluster: Cluster) -> None:
    ask = asking(cluster)
    made = ask.create("configmaps", config_map("a", k="1"))
    assert made.code == 201
    assert {"uid", "creationTimestamp", "resourceVersion"} <= made.body["metadata"].keys()
    again = ask.create("configmaps", config_map("a", k="2"))
    assert (again.code, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "a" already exists'
    assert again.body["details"] == {"name": "a", "kind": "configmaps"}


def _not_found(cluster: Cluster) -> None:
    ask = asking(cluster)
    gone = ask.get("deployments", "none")
    assert (gone.code, gone.body["reason"]) == (404, "NotFound")
    assert gone.body["message"] == 'deployments.apps "none" not found'
    assert gone.body["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    unknown = ask.raw("GET", f"/apis/apps/v1/namespaces/{cluster.namespace}/nothings")
    assert (unknown.code, unknown.body) == (404, "404 page not found\n")


def _stale_update(cluster: Cluster) -> None:
    ask = asking(cluster)
    first = ask.create("configmaps", config_map("a", k="1")).body
    ask.put("configmaps", "a", first | {"data": {"k": "2"}})
    stale = ask.put("configmaps", "a", first | {"data": {"k": "3"}})
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in stale.body["message"]
    blind = {**first, "metadata": {"name": "a"}, "data": {"k": "4"}}
    assert ask.put("configmaps", "a", blind).body["data"] == {"k": "4"}
    version = first["metadata"]["resourceVersion"]
    patched = ask.patch("configmaps", "a", {"metadata": {"resourceVersion": version}, "data": {"k": "5"}})
    assert patched.code == 409


def _idle_write(cluster: Cluster) -> None:
    ask = asking(cluster)
    first = ask.create("configmaps", config_map("a", k="1")).body
    again = ask.patch("configmaps", "a", {"data": {"k": "1"}}).body
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def _one_counter(cluster: Cluster) -> None:
    ask = asking(cluster)
    first = ask.create("configmaps", config_map("a")).body["metadata"]["resourceVersion"]
    second = ask.create("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}).body
    listed = ask.list("configmaps").body
    assert int(first) < int(second["metadata"]["resourceVersion"]) <= int(listed["metadata"]["resourceVersion"])


def _generations(cluster: Cluster) -> None:
    ask = asking(cluster)
    body = deployment(replicas=0, paused=True)
    assert ask.create("deployments", body).body["metadata"]["generation"] == 1
    scaled = ask.patch("deployments", "web", {"spec": {"replicas": 0, "minReadySeconds": 1}}).body
    assert scaled["metadata"]["generation"] == 2
    labelled = ask.patch("deployments", "web", {"metadata": {"labels": {"x": "y"}}}).body
    assert labelled["metadata"]["generation"] == 2
    status = ask.patch("deployments", "web", {"status": {"collisionCount": 1}}, part="status").body
    assert status["metadata"]["generation"] == 2
    assert "generation" not in ask.create("configmaps", config_map("a")).body["metadata"]


def _status_apart(cluster: Cluster) -> None:
    ask = asking(cluster)
    made = ask.create("deployments", deployment(replicas=0, paused=True) | {"status": {"collisionCount": 7}}).body
    assert "collisionCount" not in made["status"]
    through_main = ask.patch("deployments", "web", {"status": {"collisionCount": 8}}).body
    assert "collisionCount" not in through_main["status"]
    through_status = {"status": {"collisionCount": 9}, "spec": {"replicas": 5}}
    changed = ask.patch("deployments", "web", through_status, part="status").body
    assert (changed["status"]["collisionCount"], changed["spec"]["replicas"]) == (9, 0)


def _scale(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("deployments", deployment(replicas=0, paused=True))
    scale = ask.get("deployments", "web", "scale").body
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {})
    assert scale["status"]["selector"] == "app=web"
    patched = ask.patch("deployments", "web", {"spec": {"replicas": 3}}, part="scale", fieldManager="me").body
    assert patched["spec"] == {"replicas": 3}
    live = ask.get("deployments", "web").body
    assert live["spec"]["replicas"] == 3
    mine = [e for e in live["metadata"]["managedFields"] if e["manager"] == "me"]
    assert [(e["subresource"], e["fieldsV1"]) for e in mine] == [("scale", {"f:spec": {"f:replicas": {}}})]
    stale = patched | {"metadata": patched["metadata"] | {"resourceVersion": "1"}, "spec": {"replicas": 4}}
    assert ask.put("deployments", "web", stale, part="scale").code == 409


def _patches(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("deployments", deployment(replicas=0, paused=True))
    env = {"spec": {"containers": [{"name": "model", "env": [{"name": "IPA_CORES", "value": "2"}]}]}}
    strategic = ask.patch("deployments", "web", {"spec": {"template": env}}, "strategic-merge-patch").body
    held = strategic["spec"]["template"]["spec"]["containers"][0]
    assert {e["name"]: e["value"] for e in held["env"]} == {"IPA_CORES": "2", "KEPT": "x"}
    assert held["image"]
    gone = {"spec": {"containers": [{"name": "model", "env": [{"name": "KEPT", "$patch": "delete"}]}]}}
    left = ask.patch("deployments", "web", {"spec": {"template": gone}}, "strategic-merge-patch").body
    assert [e["name"] for e in left["spec"]["template"]["spec"]["containers"][0]["env"]] == ["IPA_CORES"]
    merge = ask.patch("deployments", "web", {"metadata": {"labels": {"app": None, "new": "y"}}}).body
    assert merge["metadata"]["labels"] == {"new": "y"}
    steps = [
        {"op": "test", "path": "/spec/replicas", "value": 0},
        {"op": "add", "path": "/metadata/labels/a~1b", "value": "z"},
    ]
    assert ask.patch("deployments", "web", steps, "json-patch").body["metadata"]["labels"]["a/b"] == "z"
    wrong = [{"op": "test", "path": "/spec/replicas", "value": 9}]
    assert ask.patch("deployments", "web", wrong, "json-patch").code == 422


def _selectors(cluster: Cluster) -> None:
    ask = asking(cluster)
    for name, labels in (("a", {"x": "1", "app": "t"}), ("b", {"x": "2", "app": "t"}), ("c", {"app": "t"})):
        ask.create("configmaps", {"metadata": {"name": name, "labels": labels}})
    cases = {
        "x=1": "a",
        "x!=1,app=t": "bc",
        "x in (1, 2)": "ab",
        "x notin (1),app": "bc",
        "app,!x": "c",
        "x,x!=2": "a",
    }
    for selector, wanted in cases.items():
        listed = ask.list("configmaps", labelSelector=selector).body["items"]
        assert "".join(o["metadata"]["name"] for o in listed if len(o["metadata"]["name"]) == 1) == wanted, selector
    named = ask.list("configmaps", fieldSelector="metadata.name=b").body["items"]
    assert [o["metadata"]["name"] for o in named] == ["b"]
    assert ask.list("configmaps", fieldSelector="data.k=b").code == 400


def _event_fields(cluster: Cluster) -> None:
    ask = asking(cluster)
    for name, about in (("e1", "web"), ("e2", "other")):
        involved = {"kind": "Deployment", "name": about, "namespace": cluster.namespace}
        body = {"metadata": {"name": name}, "involvedObject": involved, "reason": "Scaled", "type": "Normal"}
        assert ask.create("events", body).code == 201
    selector = "involvedObject.name=web,involvedObject.kind=Deployment"
    found = ask.list("events", fieldSelector=selector).body["items"]
    assert [e["metadata"]["name"] for e in found] == ["e1"]
    elsewhere = {"kind": "Deployment", "name": "web", "namespace": "elsewhere"}
    astray = {"metadata": {"name": "e3"}, "involvedObject": elsewhere}
    assert ask.create("events", astray).code == 422


def _pages(cluster: Cluster) -> None:
    ask = asking(cluster)
    for index in range(5):
        labels = {"paged": "yes"}
        ask.create("configmaps", {"metadata": {"name": f"m{index}", "labels": labels}})
    first = ask.list("configmaps", limit=2, labelSelector="paged=yes").body
    ask.create("configmaps", {"metadata": {"name": "late", "labels": {"paged": "yes"}}})
    names = [o["metadata"]["name"] for o in first["items"]]
    token, version = first["metadata"]["continue"], first["metadata"]["resourceVersion"]
    while token:
        page = ask.list("configmaps", **{"limit": 2, "continue": token, "labelSelector": "paged=yes"}).body
        assert page["metadata"]["resourceVersion"] == version
        names += [o["metadata"]["name"] for o in page["items"]]
        token = page["metadata"].get("continue")
    assert names == [f"m{index}" for index in range(5)]


def _too_large_version(cluster: Cluster) -> None:
    answer = asking(cluster).list("configmaps", resourceVersion="99999999999", resourceVersionMatch="NotOlderThan")
    assert (answer.code, answer.body["reason"]) == (504, "Timeout")


def _dry_run(cluster: Cluster) -> None:
    ask = asking(cluster)
    assert ask.create("configmaps", config_map("a", k="1"), dryRun="All").code == 201
    assert ask.get("configmaps", "a").code == 404
    made = ask.create("configmaps", config_map("a", k="1")).body
    patched = ask.patch("configmaps", "a", {"data": {"k": "2"}}, dryRun="All").body
    put = ask.put("configmaps", "a", made | {"data": {"k": "3"}}, dryRun="All").body
    applied = ask.apply("configmaps", "a", {"data": {"k": "4"}}, "me", force="true", dryRun="All").body
    assert [o["data"]["k"] for o in (patched, put, applied)] == ["2", "3", "4"]
    assert ask.delete("configmaps", "a", dryRun="All").code == 200
    assert ask.get("configmaps", "a").body == made
    assert ask.create("configmaps", config_map("b"), dryRun="Some").code in (400, 422)


def _deleted(cluster: Cluster) -> None:
    ask = asking(cluster)
    made = ask.create("configmaps", config_map("a")).body
    wrong = ask.delete("configmaps", "a", {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}})
    assert (wrong.code, wrong.body["reason"]) == (409, "Conflict")
    gone = ask.delete("configmaps", "a", {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert (gone.code, gone.body["kind"], gone.body["status"]) == (200, "Status", "Success")
    assert ask.delete("configmaps", "a").code == 404


def _finalizers(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("configmaps", {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    assert ask.delete("configmaps", "a").code == 200
    held = ask.get("configmaps", "a").body["metadata"]
    assert held["deletionTimestamp"]
    ask.patch("configmaps", "a", {"metadata": {"finalizers": None}})
    assert ask.get("configmaps", "a").code == 404


def _bodies(cluster: Cluster) -> None:
    ask = asking(cluster)
    number = {"metadata": {"name": "a"}, "data": {"k": 1}}
    assert (ask.create("configmaps", number).code, ask.create("configmaps", config_map("A_b")).code) == (400, 422)
    assert ask.create("configmaps", config_map("big", k="x" * 1_048_577)).code == 422
    assert "surprise" not in ask.create("configmaps", config_map("a") | {"surprise": 1}).body
    assert ask.put("configmaps", "a", config_map("b")).code == 400
    assert ask.raw("PATCH", ask.at("configmaps", "a"), {}, "application/unheard+json").code == 415
    negative = deployment(replicas=-1)
    assert ask.create("deployments", negative).code == 422
    ask.create("deployments", deployment(replicas=0))
    other = {"spec": {"selector": {"matchLabels": {"app": "other"}}}}
    immutable = ask.patch("deployments", "web", other)
    assert immutable.code == 422


def _lease_times(cluster: Cluster) -> None:
    ask = asking(cluster)
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000+00:00"}
    made = ask.create("leases", {"metadata": {"name": "l"}, "spec": spec}).body
    assert made["spec"]["renewTime"] == "2026-01-01T00:00:00.000000Z"
    short = spec | {"renewTime": "2026-01-01T00:00:00Z"}
    assert ask.create("leases", {"metadata": {"name": "m"}, "spec": short}).code == 400
    blind = {"metadata": {"name": "l"}, "spec": spec | {"holderIdentity": "you"}}
    whole = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"} | blind
    assert ask.put("leases", "l", whole).code == 422


def _defaults(cluster: Cluster) -> None:
    spec = asking(cluster).create("deployments", deployment(replicas=0)).body["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (600, 10)
    container = spec["template"]["spec"]["containers"][0]
    assert (container["ports"][0]["protocol"], container["imagePullPolicy"]) == ("TCP", "IfNotPresent")


ROWS = [
    Row("an object is created once", _API + "#standard-api-terminology", _created_once),
    Row("what is not there answers 404, an unknown path in plain text", _API + "#resource-uris", _not_found),
    Row("an update of a stale version conflicts", _API + "#updates-to-existing-resources", _stale_update),
    Row("a write that changes nothing keeps the version", _API + "#resource-versions", _idle_write),
    Row("one counter gives every version", _API + "#resource-versions", _one_counter),
    Row("a new spec is a new generation", _META, _generations),
    Row("the status is written apart", _API + "#sub-resources", _status_apart),
    Row("a workload scales through its subresource", _API + "#sub-resources", _scale),
    Row("three formats of patches", _API + "#patch-and-update", _patches),
    Row(
        "labels and fields select",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        _selectors,
    ),
    Row(
        "events are found by what they concern",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#list-of-supported-fields",
        _event_fields,
    ),
    Row("a list in pages is of one moment", _API + "#retrieving-large-results-sets-in-chunks", _pages),
    Row("a version of the future answers 504", _API + "#unavailable-resource-versions", _too_large_version),
    Row("a dry run answers as if and changes nothing", _API + "#dry-run", _dry_run),
    Row("a deletion keeps its preconditions", _API + "#resource-deletion", _deleted),
    Row(
        "finalizers hold a deleted object",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/",
        _finalizers,
    ),
    Row("bodies are validated", _API + "#field-validation", _bodies),
    Row("a lease's times have six digits", "https://kubernetes.io/docs/concepts/architecture/leases/", _lease_times),
    Row(
        "what is left out is filled in",
        "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/#DeploymentSpec",
        _defaults,
    ),
]
