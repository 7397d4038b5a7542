"""Whether a body has the fields and types that its kind declares.

https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation-for-unrecognized-or-duplicate-fields
"""

from __future__ import annotations

from typing import Any

from tests.kube import failures, fieldsets, schema
from tests.kube.fieldsets import Path
from tests.kube.resources import Object, Resource
from tests.kube.schema import VALUE, Shape

_GO = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_FITS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def decoded(resource: Resource, body: Object) -> Object:
    """The body as the server reads it: fields that the kind does not declare are dropped. Errors: 400 for a type."""
    read: Object = _read(resource, schema.of(resource.schema), body, ())
    return read


def _read(resource: Resource, shape: Shape, value: Any, at: Path) -> Any:
    if value is None:
        return None
    if not _fits(shape, value):
        kind, field = resource.kind, fieldsets.readable(tuple(e for e in at if e.startswith("f:")))[1:]
        why = f"json: cannot unmarshal {_GO[type(value)]} into Go struct field {field} of type {_expected(shape)}"
        raise failures.bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {why}')
    if shape.kind in ("struct", "map"):
        under = {name: schema.child(shape, name) for name in value}
        return {n: _read(resource, under[n] or VALUE, v, (*at, f"f:{n}")) for n, v in value.items() if under[n]}
    if shape.kind == "list":
        return [_read(resource, schema.item(shape), element, at) for element in value]
    return value


def check_applied(resource: Resource, config: Object) -> None:
    """An applied configuration may hold no undeclared field and no wrong type. Errors: 500, worded as the server's."""
    fault = _fault(schema.of(resource.schema), config, ())
    if fault:
        meta = config.get("metadata") or {}
        where = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {resource.api_version}, Kind={resource.kind}"
        raise failures.Refused(500, "", f"failed to create typed patch object ({where}): {fault}")


def _fault(shape: Shape, value: Any, at: Path) -> str:
    if value is None:
        return ""
    if not _fits(shape, value):
        got = f"&value.valueUnstructured{{Value:{value!r}}}"
        return f"{fieldsets.readable(at)}: expected {_expected(shape)}, got {got}"
    if shape.kind in ("struct", "map"):
        for name, inner in value.items():
            under, path = schema.child(shape, name), (*at, f"f:{name}")
            fault = _fault(under, inner, path) if under else f"{fieldsets.readable(path)}: field not declared in schema"
            if fault:
                return fault
    elif shape.kind == "list":
        for element in value:
            fault = _fault(schema.item(shape), element, (*at, f"k:{schema.key_of(shape, element)}"))
            if fault:
                return fault
    return ""


def _fits(shape: Shape, value: Any) -> bool:
    if isinstance(value, bool):
        return not shape.types or "boolean" in shape.types
    return not shape.types or any(isinstance(value, _FITS[name]) for name in shape.types)


def _expected(shape: Shape) -> str:
    return {"object": "map", "array": "list", "integer": "numeric (int or float)"}.get(shape.types[0], shape.types[0])
