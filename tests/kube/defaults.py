"""What the API server fills in before it stores an object, and the little it validates.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/#DeploymentSpec and its neighbours
say "Defaults to" at each field.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from tests.kube import failures
from tests.kube.resources import Object, Resource

_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MICRO_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})(Z|\+00:00)")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_MOST_BYTES = 1_048_576
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


def defaulted(resource: Resource, body: Object) -> Object:
    """A copy of the body with defaults. Errors: 400 for times that Go could not read."""
    new = copy.deepcopy(body)
    spec = new.get("spec")
    if isinstance(spec, dict) and resource.plural in _FILL:
        _FILL[resource.plural](spec)
    return new


def _deployment(spec: Object) -> None:
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%"} | rolling
    _template(spec)


def _replicaset(spec: Object) -> None:
    spec.setdefault("replicas", 1)
    _template(spec)


def _template(spec: Object) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod(template.setdefault("spec", {}))


def _pod(spec: Object) -> None:
    for name, value in _POD.items():
        spec.setdefault(name, copy.deepcopy(value))
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        _container(container)


_POD: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}


def _container(container: Object) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    latest = str(container.get("image", "")).endswith(":latest") or ":" not in str(container.get("image", ""))
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    resources = container.setdefault("resources", {})
    if resources.get("limits"):
        resources["requests"] = resources["limits"] | (resources.get("requests") or {})
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])


def _probe(probe: Object) -> None:
    for name, value in {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}.items():
        probe.setdefault(name, value)
    if isinstance(probe.get("httpGet"), dict):
        probe["httpGet"].setdefault("scheme", "HTTP")
        probe["httpGet"].setdefault("path", "/")


def _service(spec: Object) -> None:
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("clusterIP", "10.96.0.10")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _lease(spec: Object) -> None:
    for field in ("acquireTime", "renewTime"):
        if spec.get(field) is not None:
            spec[field] = _micro_time(str(spec[field]))


def _micro_time(text: str) -> str:
    """Go reads a MicroTime by the layout below alone: a time without its six digits is refused, a trap for clients."""
    match = _MICRO_TIME.fullmatch(text)
    if not match:
        layout = "2006-01-02T15:04:05.000000Z07:00"
        why = f'parsing time "{text}" as "{layout}": cannot parse'
        raise failures.bad_request(f'Lease in version "v1" cannot be handled as a Lease: {why}')
    return f"{match[1]}Z"


_FILL = {
    "deployments": _deployment,
    "replicasets": _replicaset,
    "pods": _pod,
    "services": _service,
    "leases": _lease,
}


def validate(resource: Resource, new: Object, old: Object | None) -> None:
    """Errors: 422 naming the first field that breaks a rule."""
    meta = new["metadata"]
    name = str(meta.get("name", ""))
    if not _DNS_SUBDOMAIN.fullmatch(name) and resource.plural not in ("roles", "rolebindings"):
        rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        raise failures.invalid(resource, name, "metadata.name", f'Invalid value: "{name}": {rule}')
    for key, value in (meta.get("labels") or {}).items():
        if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            rule = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
            raise failures.invalid(resource, name, "metadata.labels", f'Invalid value: "{value}": {rule} ({key})')
    if resource.plural == "configmaps":
        _validate_config_map(resource, name, new)
    if resource.plural == "events" and new["involvedObject"].get("namespace", "") != meta["namespace"]:
        why = f'Invalid value: "{new["involvedObject"].get("namespace", "")}": does not match event.namespace'
        raise failures.invalid(resource, name, "involvedObject.namespace", why)
    if resource.plural in ("deployments", "replicasets"):
        _validate_workload(resource, name, new.get("spec") or {}, (old or {}).get("spec"))


def _validate_config_map(resource: Resource, name: str, new: Object) -> None:
    """https://kubernetes.io/docs/concepts/configuration/configmap/: at most 1 MiB, keys of letters, digits, -, _, ."""
    held = (new.get("data") or {}) | (new.get("binaryData") or {})
    for key in held:
        if not _CONFIG_KEY.fullmatch(key):
            rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            raise failures.invalid(resource, name, f"data[{key}]", f'Invalid value: "{key}": {rule}')
    if sum(len(value.encode()) for value in held.values()) > _MOST_BYTES:
        why = f"Too long: may not be more than {_MOST_BYTES} bytes"
        raise failures.invalid(resource, name, "", why, "FieldValueTooLong")


def _validate_workload(resource: Resource, name: str, spec: Object, old: Any) -> None:
    if spec.get("replicas", 1) < 0:
        why = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        raise failures.invalid(resource, name, "spec.replicas", why)
    if not spec.get("selector"):
        raise failures.invalid(resource, name, "spec.selector", "Required value", "FieldValueRequired")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec["selector"].get("matchLabels") or {}).items()):
        why = f"Invalid value: {labels}: `selector` does not match template `labels`"
        raise failures.invalid(resource, name, "spec.template.metadata.labels", why)
    if not spec["template"]["spec"].get("containers"):
        raise failures.invalid(resource, name, "spec.template.spec.containers", "Required value", "FieldValueRequired")
    if old is not None and old["selector"] != spec["selector"]:
        why = f"Invalid value: {spec['selector']}: field is immutable"
        raise failures.invalid(resource, name, "spec.selector", why)
