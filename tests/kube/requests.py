"""What a request asks for: the parts of its path, its verb, and the records that tests count.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kube import resources
from tests.kube.resources import Resource

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a resource; `name` is "" for a collection, `namespace` "" for all or for the cluster.

    `only`: the name that a list or watch is narrowed to by its field selector. A Role for that name allows it:
    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
    """

    resource: Resource
    verb: str
    namespace: str
    name: str
    subresource: str
    only: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it came in, for tests to count; `verb` is "" where the path names no resource."""

    at_s: float
    method: str
    path: str
    query: dict[str, str]
    verb: str
    resource: str
    namespace: str
    name: str
    subresource: str
    user_agent: str
    user: str


def split(target: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def asked(method: str, path: str, query: dict[str, str]) -> Asked | None:
    """The resource request that a path makes, None where it names no resource that is served."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = resources.find(group, version, rest[0])
    if resource is None or len(rest) > 3:
        return None
    name, subresource = [*rest[1:], "", ""][:2]
    if subresource and subresource not in resource.subresources:
        return None
    return Asked(resource, _verb(method, name, query), namespace, name, subresource, _only(query))


def _only(query: dict[str, str]) -> str:
    field, _, name = query.get("fieldSelector", "").partition("=")
    return name.lstrip("=") if field == "metadata.name" else ""


def _verb(method: str, name: str, query: dict[str, str]) -> str:
    verb = _VERBS[method]
    if name:
        return verb
    if verb == "get":
        return "watch" if query.get("watch") in ("true", "1") else "list"
    return "deletecollection" if verb == "delete" else verb
