"""What the server adds to pods or refuses them for: LimitRange, ServiceAccount, ResourceQuota, in that order.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
https://kubernetes.io/docs/concepts/policy/limit-range/ · https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from fractions import Fraction

from tests.kube import failures, quantity
from tests.kube.api import Admission
from tests.kube.resources import Object, Resource, named
from tests.kube.store import Store


def chain(store: Store) -> list[Admission]:
    pods = _Pods(store)
    return [pods.limit, pods.service_account, pods.within_quota]


@dataclass(frozen=True, slots=True)
class _Pods:
    store: Store

    def limit(self, resource: Resource, new: Object, old: Object | None) -> Object:
        if resource.plural != "pods" or old is not None:
            return new
        new = copy.deepcopy(new)
        for limits in self.store.selection(named("limitranges"), new["metadata"]["namespace"]):
            for rule in limits["spec"].get("limits") or []:
                if rule["type"] == "Container":
                    _limit_containers(resource, new, rule)
        return new

    def service_account(self, resource: Resource, new: Object, old: Object | None) -> Object:
        if resource.plural != "pods" or old is not None:
            return new
        namespace, name = new["metadata"]["namespace"], new["spec"].get("serviceAccountName") or "default"
        if self.store.get(named("serviceaccounts"), namespace, name) is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise failures.forbidden(resource, new["metadata"]["name"], why)
        return new | {"spec": new["spec"] | {"serviceAccountName": name, "serviceAccount": name}}

    def within_quota(self, resource: Resource, new: Object, old: Object | None) -> Object:
        if resource.plural != "pods" or old is not None:
            return new
        namespace = new["metadata"]["namespace"]
        for quota in self.store.selection(named("resourcequotas"), namespace):
            _check_quota(resource, new, quota, used(self.store, namespace, quota))
        return new


def used(store: Store, namespace: str, quota: Object) -> dict[str, Fraction]:
    """What the pods that count (those not finished) use of each resource that a quota bounds."""
    pods = store.selection(named("pods"), namespace)
    live = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    hard = quota["spec"].get("hard") or {}
    return {name: sum((_usage(pod, name) for pod in live), Fraction(0)) for name in hard}


def _usage(pod: Object, name: str) -> Fraction:
    if name in ("pods", "count/pods"):
        return Fraction(1)
    kind, _, what = name.rpartition(".")
    if what not in ("cpu", "memory"):
        return Fraction(0)
    return quantity.total(pod["spec"].get("containers") or [], kind or "requests", what)


def _check_quota(resource: Resource, pod: Object, quota: Object, taken: dict[str, Fraction]) -> None:
    name, hard = pod["metadata"]["name"], {k: quantity.parse(v) for k, v in (quota["spec"].get("hard") or {}).items()}
    for bound in hard:
        kind, _, what = bound.rpartition(".")
        if what in ("cpu", "memory"):
            _check_given(resource, pod, quota, bound, kind or "requests", what)
    wanted = {bound: _usage(pod, bound) for bound in hard}
    over = sorted(bound for bound in hard if wanted[bound] and taken[bound] + wanted[bound] > hard[bound])
    if over:
        said = [
            ",".join(f"{bound}={quantity.text(amounts[bound])}" for bound in over) for amounts in (wanted, taken, hard)
        ]
        why = f"exceeded quota: {quota['metadata']['name']}, requested: {said[0]}, used: {said[1]}, limited: {said[2]}"
        raise failures.forbidden(resource, name, why)


def _check_given(resource: Resource, pod: Object, quota: Object, bound: str, kind: str, what: str) -> None:
    lacking = [c["name"] for c in pod["spec"]["containers"] if what not in (c.get("resources", {}).get(kind) or {})]
    if lacking:
        why = f"failed quota: {quota['metadata']['name']}: must specify {bound} for: {','.join(lacking)}"
        raise failures.forbidden(resource, pod["metadata"]["name"], why)


def _limit_containers(resource: Resource, pod: Object, rule: Object) -> None:
    limits = rule.get("max", {}) | rule.get("default", {})
    requests = limits | rule.get("defaultRequest", {})
    wrong: list[str] = []
    for container in pod["spec"]["containers"]:
        held = container.setdefault("resources", {})
        given = dict(held.get("limits") or {})
        if limits:
            held["limits"] = limits | given
        if requests:
            held["requests"] = requests | given | (held.get("requests") or {})
        wrong += _beyond(held, rule)
    if wrong:
        why = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        raise failures.forbidden(resource, pod["metadata"]["name"], why)


def _beyond(held: Object, rule: Object) -> list[str]:
    wrong = []
    for name, most in sorted((rule.get("max") or {}).items()):
        said = f"maximum {name} usage per Container is {most}"
        wrong += [f"{said}, but {kind[:-1]} is {amount}" for kind, amount in _above(held, name, most)[:1]]
    for name, least in sorted((rule.get("min") or {}).items()):
        asked = (held.get("requests") or {}).get(name)
        said = f"minimum {name} usage per Container is {least}"
        if asked is None:
            wrong.append(f"{said}.  No request is specified")
        elif quantity.parse(asked) < quantity.parse(least):
            wrong.append(f"{said}, but request is {asked}")
    return wrong


def _above(held: Object, name: str, most: str) -> list[tuple[str, str]]:
    found = [(kind, str((held.get(kind) or {}).get(name, "0"))) for kind in ("limits", "requests")]
    return [(kind, amount) for kind, amount in found if quantity.parse(amount) > quantity.parse(most)]
