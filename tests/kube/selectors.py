"""Label and field selectors.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.kube import failures
from tests.kube.resources import Object

Labels = Mapping[str, str]
Test = Callable[[Object], bool]
_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_EQUAL = re.compile(r"^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$")
_FIELDS = {
    "pods": {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"}
    | {"status.podIP", "status.nominatedNodeName"},
    "events": {f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")}
    | {"involvedObject.resourceVersion", "reason", "reportingComponent", "source", "type"},
    "namespaces": {"status.phase"},
    "replicasets": {"status.replicas"},
}


def by_labels(selector: str) -> Test:
    """`a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, joined by commas."""
    requirements = [_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", selector) if part.strip()]
    return lambda o: all(test(o["metadata"].get("labels") or {}) for test in requirements)


def _requirement(text: str) -> Callable[[Labels], bool]:
    if match := _SET.match(text):
        key, wanted, values = match[1], match[2] == "in", {value.strip() for value in match[3].split(",")}
        return lambda labels: (labels.get(key) in values) if wanted else (labels.get(key) not in values)
    if match := _EQUAL.match(text):
        key, sign, value = match[1], match[2], match[3]
        return lambda labels: (labels.get(key) != value) if sign == "!=" else (labels.get(key) == value)
    if re.fullmatch(r"!\s*\S+", text):
        return lambda labels: text[1:].strip() not in labels
    if re.fullmatch(r"[^\s()]+", text):
        return lambda labels: text in labels
    raise failures.bad_request(f"unable to parse requirement: found {text!r}, expected: a label selector requirement")


def by_fields(selector: str, plural: str) -> Test:
    """`metadata.name=a,involvedObject.kind!=Pod`; other fields than the resource declares are refused."""
    tests = [_field(part.strip(), plural) for part in selector.split(",") if part.strip()]
    return lambda o: all(test(o) for test in tests)


def _field(text: str, plural: str) -> Test:
    match = _EQUAL.match(text)
    if not match:
        raise failures.bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    path, sign, value = match[1], match[2], match[3]
    if path not in {"metadata.name", "metadata.namespace"} | _FIELDS.get(plural, set()):
        raise failures.bad_request(f"field label not supported: {path}")
    return lambda o: (str(_reach(o, path)) == value) == (sign != "!=")


def _reach(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return value


def matches(selector: Object, labels: Labels) -> bool:
    """A LabelSelector object (matchLabels and matchExpressions) against labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or [])


def _expression(expression: Object, labels: Labels) -> bool:
    held, operator = labels.get(expression["key"]), str(expression["operator"])
    if operator in ("In", "NotIn"):
        return bool(held in expression["values"]) == (operator == "In")
    return (held is not None) == (operator == "Exists")
