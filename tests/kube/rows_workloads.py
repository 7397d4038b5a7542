"""Rows about Deployments, their pods and the endpoints behind a Service."""

from __future__ import annotations

from typing import Any

from tests.kube.asking import Asking, Row, asking, deployment, ready, until
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

_DEPLOYMENT = "https://kubernetes.io/docs/concepts/workloads/controllers/deployment/"
_POD = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/"
_SLICES = "https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/"


def _pods(ask: Asking, app: str = "web") -> list[Any]:
    items: list[Any] = ask.list("pods", labelSelector=f"app={app}").body["items"]
    return items


def _condition(o: Object, kind: str) -> Object:
    conditions = (o.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def _new_image(cores: str) -> Object:
    container = {"name": "model", "resources": {"requests": {"cpu": cores}}}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def _becomes_ready(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(replicas=2), "me")
    live = ready(ask, "web", 2)
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"]
    assert _condition(live, "Available")["reason"] == "MinimumReplicasAvailable"
    until(lambda: _condition(ask.get("deployments", "web").body, "Progressing")["reason"] == "NewReplicaSetAvailable")
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    [rs] = ask.list("replicasets").body["items"]
    digest = rs["metadata"]["labels"]["pod-template-hash"]
    assert rs["metadata"]["name"] == f"web-{digest}"
    for pod in _pods(ask):
        assert pod["metadata"]["ownerReferences"][0]["uid"] == rs["metadata"]["uid"]
        assert (pod["metadata"]["labels"]["pod-template-hash"], pod["status"]["phase"]) == (digest, "Running")
        assert pod["status"]["podIP"] and _condition(pod, "Ready")["status"] == "True"
    none = ask.patch("deployments", "web", {"spec": {"replicas": 0}}).body
    assert none["status"]["replicas"] == 2  # the counts follow
    assert "replicas" not in ready(ask, "web", 0)["status"]  # a zero is left out


def _rolls(cluster: Cluster) -> None:
    ask = asking(cluster)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    ask.apply("deployments", "web", deployment(replicas=3, strategy=strategy), "me")
    before = {pod["metadata"]["uid"] for pod in _pods(ask)} if ready(ask, "web", 3) else set()
    version = ask.list("deployments").body["metadata"]["resourceVersion"]
    ask.patch("deployments", "web", _new_image("110m"), "strategic-merge-patch")
    live = ready(ask, "web", 3)
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    after = _pods(ask)
    assert not before & {pod["metadata"]["uid"] for pod in after if "deletionTimestamp" not in pod["metadata"]}
    states = [event["object"]["status"] for event in _until(ask, version, live)]
    assert min(s.get("readyReplicas", 0) for s in states) >= 3
    assert max(s.get("replicas", 0) for s in states) == 4
    assert any(0 < s.get("updatedReplicas", 0) < 3 for s in states)


def _until(ask: Asking, version: str, live: Object) -> list[Any]:
    """What happened to Deployments from a version until one was as it is."""
    last = live["metadata"]["resourceVersion"]

    def there(events: list[Any]) -> bool:
        return bool(events) and events[-1]["object"]["metadata"]["resourceVersion"] == last

    return ask.watch("deployments", there, resourceVersion=version, timeoutSeconds=20)


def _rolls_back(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(), "me")
    ready(ask, "web", 1)
    ask.patch("deployments", "web", _new_image("110m"), "strategic-merge-patch")
    ready(ask, "web", 1)
    ask.patch("deployments", "web", _new_image("100m"), "strategic-merge-patch")
    live = ready(ask, "web", 1)
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert len(ask.list("replicasets").body["items"]) == 2


def _paused(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(), "me")
    ready(ask, "web", 1)
    ask.patch("deployments", "web", {"spec": {"paused": True}})
    ask.patch("deployments", "web", _new_image("110m"), "strategic-merge-patch")
    generation = ask.get("deployments", "web").body["metadata"]["generation"]
    until(lambda: ask.get("deployments", "web").body["status"]["observedGeneration"] == generation)
    assert len(ask.list("replicasets").body["items"]) == 1
    ask.patch("deployments", "web", {"spec": {"paused": False}})
    ready(ask, "web", 1)
    assert len(ask.list("replicasets").body["items"]) == 2


def _too_slow(cluster: Cluster) -> None:
    assert cluster.double is not None
    cluster.double.set(never_ready=lambda pod: True)
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(progressDeadlineSeconds=1), "me")
    until(lambda: _condition(ask.get("deployments", "web").body, "Progressing").get("status") == "False")
    live = ask.get("deployments", "web").body
    assert _condition(live, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    assert _condition(live, "Available")["reason"] == "MinimumReplicasUnavailable"
    assert (live["status"]["unavailableReplicas"], live["status"]["updatedReplicas"]) == (1, 1)
    cluster.double.set(never_ready=lambda pod: False)
    ready(ask, "web", 1)


def _dependents_go(cluster: Cluster) -> None:
    ask = asking(cluster)
    for policy in ("Background", "Foreground"):
        ask.apply("deployments", "web", deployment(), "me")
        ready(ask, "web", 1)
        ask.delete("deployments", "web", {"propagationPolicy": policy})
        until(lambda: not ask.list("replicasets").body["items"] and not _pods(ask))
        assert ask.get("deployments", "web").code == 404
    ask.apply("deployments", "web", deployment(), "me")
    ready(ask, "web", 1)
    ask.delete("deployments", "web", {"propagationPolicy": "Orphan"})
    until(lambda: ask.get("deployments", "web").code == 404)
    [left] = ask.list("replicasets").body["items"]
    assert not left["metadata"].get("ownerReferences")
    assert len(_pods(ask)) == 1


def _terminating(cluster: Cluster) -> None:
    if cluster.double is not None:
        cluster.double.node_settings.exit_after_s = None  # as a process that does not hear SIGTERM
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(), "me")
    ready(ask, "web", 1)
    name = _pods(ask)[0]["metadata"]["name"]
    going = ask.delete("pods", name)
    assert going.body["metadata"]["deletionGracePeriodSeconds"] == 1
    assert going.body["metadata"]["deletionTimestamp"]
    until(lambda: len([p for p in _pods(ask) if "deletionTimestamp" not in p["metadata"]]) == 1)
    if cluster.double is not None:  # elsewhere the process may have heard SIGTERM already
        assert ask.get("pods", name).code == 200  # replaced at once, still there for its grace
    until(lambda: ask.get("pods", name).code == 404)


def _unschedulable(cluster: Cluster) -> None:
    if cluster.double is not None:
        cluster.double.set_capacity(2)
    ask = asking(cluster)
    ask.apply("deployments", "web", deployment(cores="100000"), "me")
    [pod] = until(lambda: [p for p in _pods(ask) if _condition(p, "PodScheduled")])
    assert pod["status"]["phase"] == "Pending"
    reason = _condition(pod, "PodScheduled")
    assert (reason["status"], reason["reason"]) == ("False", "Unschedulable")
    assert "Insufficient cpu" in reason["message"]
    query = {"fieldSelector": f"involvedObject.name={pod['metadata']['name']}"}
    events = until(lambda: ask.list("events", **query).body["items"])
    assert "FailedScheduling" in {e["reason"] for e in events}


def _headless(name: str) -> Object:
    port = {"name": "grpc", "port": 8081, "targetPort": "grpc"}
    return {"metadata": {"name": name}, "spec": {"clusterIP": "None", "selector": {"app": name}, "ports": [port]}}


def _endpoints(ask: Asking) -> list[tuple[Any, Any]]:
    """(slice, endpoint) of the Service web."""
    slices = ask.list("endpointslices", labelSelector="kubernetes.io/service-name=web").body["items"]
    return [(s, endpoint) for s in slices for endpoint in s.get("endpoints") or []]


def _slices(cluster: Cluster) -> None:
    if cluster.double is not None:
        cluster.double.set(exit_after_s=0.3)
    ask = asking(cluster)
    ask.create("services", _headless("web"))
    ask.apply("deployments", "web", deployment(replicas=2), "me")
    ready(ask, "web", 2)
    pods = {pod["metadata"]["uid"]: pod for pod in _pods(ask)}
    found = until(lambda: [x for x in _endpoints(ask) if x[1]["conditions"]["ready"]][1:] and _endpoints(ask))
    for one, endpoint in found:
        assert one["addressType"] == "IPv4"
        assert one["ports"] == [{"name": "grpc", "port": 8081, "protocol": "TCP"}]
        target = pods[endpoint["targetRef"]["uid"]]
        assert endpoint["addresses"] == [target["status"]["podIP"]]
        assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    leaving = next(iter(pods.values()))["metadata"]["name"]
    ask.delete("pods", leaving)

    def terminating() -> list[Any]:
        return [e["conditions"] for _, e in _endpoints(ask) if e["targetRef"]["name"] == leaving]

    until(lambda: [c for c in terminating() if c["terminating"] and not c["ready"]])
    until(lambda: not terminating())


def _not_ready_endpoint(cluster: Cluster) -> None:
    assert cluster.double is not None
    cluster.double.set(never_ready=lambda pod: True)
    ask = asking(cluster)
    ask.create("services", _headless("web"))
    ask.apply("deployments", "web", deployment(), "me")
    [(_, endpoint)] = until(lambda: _endpoints(ask))
    assert endpoint["conditions"] == {"ready": False, "serving": False, "terminating": False}
    cluster.double.set(never_ready=lambda pod: False)
    until(lambda: _endpoints(ask)[0][1]["conditions"]["ready"])


ROWS = [
    Row("a Deployment's pods become ready", _DEPLOYMENT + "#creating-a-deployment", _becomes_ready),
    Row("a new template rolls over within its bounds", _DEPLOYMENT + "#rolling-update-deployment", _rolls),
    Row("an old template comes back as the newest revision", _DEPLOYMENT + "#rolling-back-a-deployment", _rolls_back),
    Row("a paused Deployment does not roll", _DEPLOYMENT + "#pausing-and-resuming-a-deployment", _paused),
    Row("a rollout in vain exceeds its deadline", _DEPLOYMENT + "#failed-deployment", _too_slow, "double"),
    Row(
        "what a deleted object owns goes with it, or stays as an orphan",
        "https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion",
        _dependents_go,
    ),
    Row("a pod keeps its grace", _POD + "#pod-termination", _terminating),
    Row(
        "a pod that fits nowhere says so",
        "https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/",
        _unschedulable,
    ),
    Row("a Service's pods are listed in slices", _SLICES + "#conditions", _slices),
    Row("a pod that is not ready is listed as such", _SLICES + "#ready", _not_ready_endpoint, "double"),
]
