"""Who may do what: ServiceAccounts, Roles and RoleBindings with no more than each program asks for.

A verb on objects that do not exist yet cannot be bound to their names, so `create` stands alone
(kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ipa.adapters.kubernetes import names
from ipa.manifests.objects import Object, metadata
from ipa.manifests.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Rule:
    """`only`: the names it holds for, () for every object of the namespace."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    only: tuple[str, ...] = ()

    def as_object(self) -> Object:
        found: Object = {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            "verbs": list(self.verbs),
        }
        return found | ({"resourceNames": list(self.only)} if self.only else {})


@dataclass(frozen=True, slots=True)
class Rights:
    """What a controller may do, and the arguments of `ipa adapt` that keep it within that."""

    rules: Callable[[str], tuple[Rule, ...]]
    arguments: tuple[str, ...] = ()


def _reading(pipeline: str) -> tuple[Rule, ...]:
    """What is observed: the models, their pods where one is not ready, whether an autoscaler has them, the plan that
    was decided, and where the routers are.
    """
    return (
        Rule("apps", ("deployments",), ("get", "list")),
        Rule("", ("pods",), ("list",)),
        Rule("autoscaling", ("horizontalpodautoscalers",), ("list",)),
        Rule("", ("configmaps",), ("get",), _written(pipeline)),
        Rule("discovery.k8s.io", ("endpointslices",), ("list",)),
    )


def _controlling(pipeline: str) -> tuple[Rule, ...]:
    """Server-side apply is a patch, and a create where there is nothing yet
    (kubernetes.io/docs/reference/using-api/server-side-apply/#api-implementation).
    """
    return (
        *_reading(pipeline),
        Rule("apps", ("deployments",), ("patch",)),
        Rule("", ("configmaps",), ("create",)),
        Rule("", ("configmaps",), ("patch",), _written(pipeline)),
        Rule("coordination.k8s.io", ("leases",), ("create",)),
        Rule("coordination.k8s.io", ("leases",), ("get", "update"), (names.controller(pipeline),)),
        Rule("", ("events",), ("create", "patch")),
    )


def _written(pipeline: str) -> tuple[str, ...]:
    return names.plan_map(pipeline), names.journal_map(pipeline)


def _routing(pipeline: str) -> tuple[Rule, ...]:
    """List and watch of one named object need a field selector on its name, as the router's have."""
    return (
        Rule("discovery.k8s.io", ("endpointslices",), ("list", "watch")),
        Rule("", ("pods",), ("get",)),
        Rule("", ("configmaps",), ("list", "watch"), (names.plan_map(pipeline),)),
    )


RIGHTS: Mapping[str, Rights] = {
    "control": Rights(_controlling),
    "read-only": Rights(_reading, ("--dry-run",)),
}


def accounts(wanted: Wanted) -> Iterator[Object]:
    """The controller's and the router's ServiceAccount, Role and RoleBinding."""
    pipeline = wanted.pipeline
    controlling = RIGHTS[wanted.rights].rules(pipeline)
    yield from _account(wanted, names.controller(pipeline), names.CONTROLLER, controlling)
    yield from _account(wanted, names.router(pipeline), names.ROUTER, _routing(pipeline))


def _account(wanted: Wanted, name: str, component: str, rules: tuple[Rule, ...]) -> Iterator[Object]:
    about = metadata(wanted.pipeline, wanted.namespace, name, component)
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about}
    rbac = "rbac.authorization.k8s.io"
    rows = [rule.as_object() for rule in rules]
    yield {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": about, "rules": rows}
    yield {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": about,
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": wanted.namespace}],
    }
