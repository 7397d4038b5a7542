"""The resources that the double serves, and the discovery documents that name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource; `group` is "" for the core group, `schema` names its definition in the OpenAPI document."""

    group: str
    version: str
    plural: str
    kind: str
    schema: str
    short: str
    subresources: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name that messages use: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


_CORE, _APPS = "io.k8s.api.core.v1.", "io.k8s.api.apps.v1."
_RBAC = "io.k8s.api.rbac.v1."
RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "namespaces", "Namespace", _CORE + "Namespace", "ns", ("status",), namespaced=False),
    Resource("", "v1", "pods", "Pod", _CORE + "Pod", "po", ("status",)),
    Resource("", "v1", "services", "Service", _CORE + "Service", "svc", ("status",)),
    Resource("", "v1", "configmaps", "ConfigMap", _CORE + "ConfigMap", "cm"),
    Resource("", "v1", "events", "Event", _CORE + "Event", "ev"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", _CORE + "ServiceAccount", "sa", ("token",)),
    Resource("", "v1", "resourcequotas", "ResourceQuota", _CORE + "ResourceQuota", "quota", ("status",)),
    Resource("", "v1", "limitranges", "LimitRange", _CORE + "LimitRange", "limits"),
    Resource("apps", "v1", "deployments", "Deployment", _APPS + "Deployment", "deploy", ("status", "scale")),
    Resource("apps", "v1", "replicasets", "ReplicaSet", _APPS + "ReplicaSet", "rs", ("status", "scale")),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "io.k8s.api.discovery.v1.EndpointSlice", ""),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", "io.k8s.api.coordination.v1.Lease", ""),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", _RBAC + "Role", ""),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", _RBAC + "RoleBinding", ""),
    Resource(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
        "hpa",
        ("status",),
    ),
    Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "io.k8s.api.policy.v1.PodDisruptionBudget",
        "pdb",
        ("status",),
    ),
    Resource(
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        "io.k8s.api.networking.v1.NetworkPolicy",
        "netpol",
    ),
    Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
        "",
        namespaced=False,
    ),
)
_BY_PLURAL = {(r.group, r.version, r.plural): r for r in RESOURCES}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def find(group: str, version: str, plural: str) -> Resource | None:
    return _BY_PLURAL.get((group, version, plural))


def named(plural: str) -> Resource:
    return next(r for r in RESOURCES if r.plural == plural)


def discovery(path: str) -> Object | None:
    """The document at a discovery path, None where there is none."""
    if path == "/version":
        return {"major": "1", "minor": "37", "gitVersion": "v1.37.0", "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = sorted({(r.group, r.version) for r in RESOURCES if r.group})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*group) for group in groups]}
    parts = path.strip("/").split("/")
    if len(parts) == 2 and parts[0] == "apis":
        return next((_group(r.group, r.version) for r in RESOURCES if r.group == parts[1]), None)
    group, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else ("", "")
    if parts[0] == "apis" and len(parts) == 3:
        group, version = parts[1], parts[2]
    here = [r for r in RESOURCES if version and (r.group, r.version) == (group, version)]
    if not here:
        return None
    entries = [entry for r in here for entry in _entries(r)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": here[0].api_version,
        "resources": entries,
    }


def _group(group: str, version: str) -> Object:
    at = {"groupVersion": f"{group}/{version}", "version": version}
    return {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [at], "preferredVersion": at}


def _entries(resource: Resource) -> list[Object]:
    review = resource.plural == "selfsubjectaccessreviews"
    main: Object = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create"] if review else VERBS,
    }
    if resource.short:
        main["shortNames"] = [resource.short]
    return [main, *(_subresource(resource, name) for name in resource.subresources)]


def _subresource(resource: Resource, name: str) -> Object:
    entry: Object = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["get", "patch", "update"],
    }
    if name == "scale":
        return entry | _SCALE
    if name == "token":
        return entry | {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"]}
    return entry
