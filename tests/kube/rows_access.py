"""Rows about who may do what."""

from __future__ import annotations

import yaml

from tests.kube.asking import Asking, Row, asking, config_map, deployment
from tests.kube.fixtures import Cluster
from tests.kube.resources import Object

_RBAC = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
_AUTHENTICATION = "https://kubernetes.io/docs/reference/access-authn-authz/authentication/"


def _bind(ask: Asking, account: str, rules: list[Object]) -> None:
    """A ServiceAccount with a Role of those rules."""
    ask.create("serviceaccounts", {"metadata": {"name": account}})
    ask.create("roles", {"metadata": {"name": account}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": ask.namespace}
    body = {"metadata": {"name": account}, "roleRef": reference, "subjects": [subject]}
    assert ask.create("rolebindings", body).code == 201


def _wrong_token(cluster: Cluster) -> None:
    held = yaml.safe_load(cluster.kubeconfig.read_text())
    held["users"] = [{"name": user["name"], "user": {"token": "wrong"}} for user in held["users"]]
    path = cluster.kubeconfig.with_name("wrong.kubeconfig")
    path.write_text(yaml.safe_dump(held))
    answer = asking(cluster, path).list("configmaps")
    assert (answer.code, answer.body["reason"], answer.body["message"]) == (401, "Unauthorized", "Unauthorized")


def _without_role(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("serviceaccounts", {"metadata": {"name": "nobody"}})
    as_nobody = asking(cluster, cluster.kubeconfig_of("nobody"))
    user = f"system:serviceaccount:{cluster.namespace}:nobody"
    refused = as_nobody.list("deployments")
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        f'deployments.apps is forbidden: User "{user}" cannot list resource "deployments" in API group "apps" '
        f'in the namespace "{cluster.namespace}"'
    )
    named = as_nobody.get("configmaps", "a").body["message"]
    assert named.startswith(f'configmaps "a" is forbidden: User "{user}" cannot get resource "configmaps"')


def _by_role(cluster: Cluster) -> None:
    ask = asking(cluster)
    ask.create("deployments", deployment(replicas=0, paused=True))
    ask.create("configmaps", config_map("mine"))
    ask.create("configmaps", config_map("other"))
    rules: list[Object] = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["get", "patch"]},
    ]
    _bind(ask, "worker", rules)
    worker = asking(cluster, cluster.kubeconfig_of("worker"))
    assert worker.list("deployments").code == 200
    assert worker.watch("deployments", bool)
    assert worker.apply("deployments", "web", {"spec": {"replicas": 0}}, "me").code == 200
    assert worker.patch("deployments", "web", {"spec": {"replicas": 0}}, part="scale").code == 403
    assert worker.delete("deployments", "web").code == 403
    assert [worker.get("configmaps", name).code for name in ("mine", "other")] == [200, 403]
    assert worker.list("configmaps").code == 403
    assert worker.create("configmaps", config_map("new")).code == 403
    assert worker.apply("configmaps", "other", {"data": {}}, "me").code == 403
    assert worker.raw("GET", "/apis/apps/v1/deployments").code == 403


def _read_only(cluster: Cluster) -> None:
    ask = asking(cluster)
    verbs = ["get", "list", "watch"]
    _bind(ask, "shadow", [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}])
    shadow = asking(cluster, cluster.kubeconfig_of("shadow"))
    assert shadow.list("configmaps").code == 200
    assert shadow.create("configmaps", config_map("a"), dryRun="All").code == 403


def _self_review(cluster: Cluster) -> None:
    ask = asking(cluster)
    _bind(ask, "worker", [{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}])
    worker = asking(cluster, cluster.kubeconfig_of("worker"))
    want = {"group": "apps", "resource": "deployments", "verb": "patch", "namespace": cluster.namespace}
    answers = []
    for part in ("scale", ""):
        review = {"spec": {"resourceAttributes": want | {"subresource": part}}}
        answers.append(worker.create("selfsubjectaccessreviews", review).body["status"]["allowed"])
    assert answers == [True, False]


ROWS = [
    Row("a wrong token is answered 401", _AUTHENTICATION + "#authentication-strategies", _wrong_token),
    Row("an identity without a role may nothing", _RBAC + "#default-roles-and-role-bindings", _without_role),
    Row("a role allows verbs on resources, names and subresources", _RBAC + "#referring-to-resources", _by_role),
    Row("who may only read may not even dry-run a write", _RBAC + "#role-examples", _read_only),
    Row(
        "everybody may ask what they may",
        "https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access",
        _self_review,
    ),
]
