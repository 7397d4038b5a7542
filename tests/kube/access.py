"""Who a bearer token is and what the Roles bound to it allow.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from tests.kube import failures
from tests.kube.requests import Asked
from tests.kube.resources import Object, named
from tests.kube.store import Store

ADMIN = "system:admin"
READER = "reader"


@dataclass
class Access:
    """Tokens and the rules behind them; the administrator may do all, the reader may get, list and watch."""

    store: Store
    users: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self, user: str) -> str:
        """A new token of a user; a ServiceAccount is the user `system:serviceaccount:NAMESPACE:NAME`."""
        with self._lock:
            token = secrets.token_hex(16)
            self.users[token] = user
            return token

    def user(self, authorization: str) -> str:
        """Errors: 401 for a header that is no known bearer token."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or token not in self.users:
            raise failures.unauthorized()
        return self.users[token]

    def check(self, user: str, asked: Asked) -> None:
        """Errors: 403 naming user, verb, resource and namespace."""
        if not self.allows(user, asked):
            raise failures.forbidden(asked.resource, asked.name, _why(user, asked))

    def allows(self, user: str, asked: Asked) -> bool:
        if user == ADMIN:
            return True
        if user == READER:
            return asked.verb in ("get", "list", "watch")
        if asked.resource.plural == "selfsubjectaccessreviews":
            return True  # system:basic-user lets everybody ask
        return any(_grants(rule, asked) for rule in self._rules(user, asked.namespace))

    def _rules(self, user: str, namespace: str) -> list[Object]:
        bindings = self.store.selection(named("rolebindings"), namespace) if namespace else []
        refs = [b["roleRef"]["name"] for b in bindings if any(_is(s, user, namespace) for s in b.get("subjects") or [])]
        roles = [self.store.get(named("roles"), namespace, name) for name in refs]
        return [rule for role in roles if role is not None for rule in role.get("rules") or []]


def _is(subject: Object, user: str, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        return user == f"system:serviceaccount:{subject.get('namespace', namespace)}:{subject['name']}"
    return bool(subject["kind"] == "User" and subject["name"] == user)


def _grants(rule: Object, asked: Asked) -> bool:
    what = asked.resource.plural + (f"/{asked.subresource}" if asked.subresource else "")
    names = rule.get("resourceNames") or []
    return (
        bool({"*", asked.verb} & set(rule["verbs"]))
        and bool({"*", asked.resource.group} & set(rule.get("apiGroups") or []))
        and bool({"*", what, f"*/{asked.subresource}"} & set(rule.get("resources") or []))
        and (not names or (asked.name or asked.only) in names)
    )


def _why(user: str, asked: Asked) -> str:
    what = asked.resource.plural + (f"/{asked.subresource}" if asked.subresource else "")
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    group = asked.resource.group
    return f'User "{user}" cannot {asked.verb} resource "{what}" in API group "{group}" {where}'
