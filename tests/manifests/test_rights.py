from __future__ import annotations

from typing import Any

import pytest

from ipa.manifests import Wanted, render
from tests.manifests.rendered import CONFIGS, component, objects, of_kind, wanted

DIGITS = next(path for path in CONFIGS if path.stem == "digits")
READ = frozenset({"get", "list", "watch"})
# kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
KNOWN_VERBS = READ | {"create", "update", "patch", "delete", "deletecollection"}


Permission = tuple[str, str, str, tuple[str, ...]]


def permissions(what: Wanted, of: str) -> set[Permission]:
    """(group, resource, verb, names) of a component's Role, one a permission."""
    (role,) = [each for each in of_kind(render(what), "Role") if component(each) == of]
    return {
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(rights: str, of: str) -> set[Permission]:
    return permissions(wanted(DIGITS, rights), of)


def beyond_reading(rights: str) -> set[Permission]:
    return {permission for permission in granted(rights, "controller") if permission[2] not in READ}


def test_a_controller_writes_exactly_what_it_has_to() -> None:
    written = ("digits-plan", "digits-journal")
    assert beyond_reading("control") == {
        ("apps", "deployments", "patch", ()),
        ("", "configmaps", "create", ()),
        ("", "configmaps", "patch", written),
        ("coordination.k8s.io", "leases", "create", ()),
        ("coordination.k8s.io", "leases", "update", ("digits-controller",)),
        ("", "events", "create", ()),
        ("", "events", "patch", ()),
    }


def test_a_read_only_controller_reads_the_same_writes_nothing_and_is_told_so() -> None:
    assert beyond_reading("read-only") == set()
    assert granted("read-only", "controller") < granted("control", "controller")
    assert "--dry-run" in arguments("read-only")
    assert "--dry-run" not in arguments("control")


def arguments(rights: str) -> list[str]:
    (deployment,) = [d for d in of_kind(objects(DIGITS, rights), "Deployment") if component(d) == "controller"]
    found: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


def test_a_router_reads_endpoints_their_pods_and_its_plan() -> None:
    assert granted("control", "router") == {
        ("discovery.k8s.io", "endpointslices", "list", ()),
        ("discovery.k8s.io", "endpointslices", "watch", ()),
        ("", "pods", "get", ()),
        ("", "configmaps", "list", ("digits-plan",)),
        ("", "configmaps", "watch", ("digits-plan",)),
    }


@pytest.mark.parametrize("rights", ["control", "read-only"])
def test_nobody_gets_wildcards_secrets_or_another_namespace(rights: str) -> None:
    found = objects(DIGITS, rights)
    assert not of_kind(found, "ClusterRole")
    for of in ("controller", "router"):
        for group, resource, verb, _ in granted(rights, of):
            assert "*" not in (group, resource, verb)
            assert resource != "secrets"
            assert verb in KNOWN_VERBS


def test_each_binding_gives_its_own_role_to_its_own_account() -> None:
    found = objects(DIGITS)
    accounts = {each["metadata"]["name"] for each in of_kind(found, "ServiceAccount")}
    used: dict[str, Any] = {}
    for each in of_kind(found, "RoleBinding"):
        name = each["metadata"]["name"]
        assert each["roleRef"]["name"] == name
        assert each["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "vision"}]
        used[name] = each
    for each in of_kind(found, "Deployment"):
        if component(each) != "model":
            assert each["spec"]["template"]["spec"]["serviceAccountName"] in used
    assert set(used) == accounts
