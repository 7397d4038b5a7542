"""Rows about what the server adds to pods or refuses them for, and about namespaces."""

from __future__ import annotations

from tests.kube.asking import PAUSE, Row, asking, config_map, deployment, ready, until
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

_QUOTA = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"
_LIMITS = "https://kubernetes.io/docs/concepts/policy/limit-range/"


def _pod(name: str, requests: Object | None = None, limits: Object | None = None, **spec: str) -> Object:
    resources = {"requests": requests or {}, "limits": limits or {}}
    container = {"name": "model", "image": PAUSE, "resources": {k: v for k, v in resources.items() if v}}
    return {"metadata": {"name": name}, "spec": {"containers": [container]} | spec}


def _over_quota(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "250m", "pods": "5"}}})
    until(lambda: ask.get("resourcequotas", "q").body.get("status", {}).get("used"))
    assert ask.create("pods", _pod("a", {"cpu": "200m"})).code == 201
    refused = ask.create("pods", _pod("b", {"cpu": "100m"}))
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=100m, used: requests.cpu=200m, '
        "limited: requests.cpu=250m"
    )
    silent = ask.create("pods", _pod("c")).body["message"]
    assert silent == 'pods "c" is forbidden: failed quota: q: must specify requests.cpu for: model'
    until(lambda: ask.get("resourcequotas", "q").body["status"]["used"] == {"requests.cpu": "200m", "pods": "1"})


def _deployment_over_quota(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "250m"}}})
    until(lambda: ask.get("resourcequotas", "q").body.get("status", {}).get("used"))
    assert ask.apply("deployments", "web", deployment(replicas=3), "me").code == 201

    def failure() -> Object | None:
        conditions = ask.get("deployments", "web").body.get("status", {}).get("conditions") or []
        return next((c for c in conditions if c["type"] == "ReplicaFailure"), None)

    said = until(failure)
    assert (said["status"], said["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: q, requested: requests.cpu=100m" in said["message"]
    events = until(lambda: ask.list("events", fieldSelector="reason=FailedCreate").body["items"])
    assert events[0]["involvedObject"]["kind"] == "ReplicaSet"
    ask.delete("resourcequotas", "q")
    ask.patch("deployments", "web", {"spec": {"replicas": 2}})
    ready(ask, "web", 2)
    until(lambda: failure() is None)


def _limits(cluster: Cluster) -> None:
    ask = asking(cluster)
    rule = {"type": "Container", "default": {"cpu": "400m"}, "defaultRequest": {"cpu": "200m"}, "max": {"cpu": "1"}}
    ask.create("limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [rule]}})
    made = ask.create("pods", _pod("a")).body["spec"]["containers"][0]["resources"]
    assert made == {"requests": {"cpu": "200m"}, "limits": {"cpu": "400m"}}
    given = ask.create("pods", _pod("b", limits={"cpu": "500m"})).body["spec"]["containers"][0]["resources"]
    assert given == {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}}
    refused = ask.create("pods", _pod("c", limits={"cpu": "2"}))
    assert refused.code == 403
    assert refused.body["message"] == ('pods "c" is forbidden: maximum cpu usage per Container is 1, but limit is 2')


def _no_account(cluster: Cluster) -> None:
    refused = asking(cluster).create("pods", _pod("a", serviceAccountName="none"))
    assert refused.code == 403
    assert refused.body["message"] == (
        f'pods "a" is forbidden: error looking up service account {cluster.namespace}/none: '
        'serviceaccount "none" not found'
    )


def _namespaces(cluster: Cluster) -> None:
    ask = asking(cluster)
    other = f"{cluster.namespace}-other"
    missing = ask.raw("POST", f"/api/v1/namespaces/{other}/configmaps", config_map("a"))
    assert (missing.code, missing.body["message"]) == (404, f'namespaces "{other}" not found')
    ask.create("namespaces", {"metadata": {"name": other}})
    path = f"/api/v1/namespaces/{other}"
    until(lambda: ask.raw("GET", f"{path}/serviceaccounts/default").code == 200)
    until(lambda: ask.raw("GET", f"{path}/configmaps/kube-root-ca.crt").code == 200)
    held = config_map("a") | {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
    assert ask.raw("POST", f"{path}/configmaps", held).code == 201
    workload = {"apiVersion": "apps/v1", "kind": "Deployment"} | deployment(replicas=1)
    assert ask.raw("POST", f"/apis/apps/v1/namespaces/{other}/deployments", workload).code == 201
    assert ask.delete("namespaces", other).code == 200
    going = ask.get("namespaces", other).body
    assert going["status"]["phase"] == "Terminating"
    refused = ask.raw("POST", f"{path}/configmaps", config_map("b"))
    assert (refused.code, "because it is being terminated" in refused.body["message"]) == (403, True)
    until(lambda: ask.raw("GET", f"{path}/configmaps/a").body["metadata"].get("deletionTimestamp"))
    free = {"metadata": {"finalizers": None}}
    ask.raw("PATCH", f"{path}/configmaps/a", free, "application/merge-patch+json")
    until(lambda: ask.get("namespaces", other).code == 404)


ROWS = [
    Row(
        "a pod over the quota is refused in numbers",
        f"{_QUOTA}#how-kubernetes-resourcequotas-work",
        _over_quota,
    ),
    Row("a Deployment over the quota says why", _QUOTA + "#viewing-and-setting-quotas", _deployment_over_quota),
    Row("a LimitRange fills in and bounds", _LIMITS + "#constraints-on-resource-limits-and-requests", _limits),
    Row(
        "a pod's ServiceAccount must be there",
        "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/",
        _no_account,
    ),
    Row(
        "a namespace holds objects, and ends with them",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/",
        _namespaces,
    ),
]
