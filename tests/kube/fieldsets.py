"""Sets of field paths, how `managedFields` writes them, and what two objects differ in.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#managed-fields-types
A path is a tuple of fieldsV1 elements: `f:NAME` a field, `k:{…}` a list item by its keys, `v:…` a member of a set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.kube import schema
from tests.kube.resources import Object
from tests.kube.schema import VALUE, Shape

Path = tuple[str, ...]
Paths = frozenset[Path]

_UNOWNED = {
    ("f:metadata",),
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generateName",
        )
    ),
}

# What Go writes even of an empty object: nobody adds these.
_POD_SPEC = (("f:containers",), ())
_ALWAYS_THERE = {
    *((f"f:{name}",) for name in ("metadata", "spec", "status")),
    ("f:spec", "f:strategy"),
    ("f:spec", "f:template"),
    ("f:spec", "f:template", "f:metadata"),
    ("f:spec", "f:containers"),
    *(("f:spec", "f:template", "f:spec", *rest) for rest in _POD_SPEC),
}


def leaves(shape: Shape, value: Any, at: Path = ()) -> dict[Path, Any]:
    """Every owned path of a value with what stands there; list items and map entries are members themselves."""
    found = dict(_walk(shape, value, at))
    return {path: leaf for path, leaf in found.items() if path and path not in _UNOWNED}


def _walk(shape: Shape, value: Any, at: Path) -> Iterator[tuple[Path, Any]]:
    if shape.kind in ("struct", "map") and isinstance(value, dict) and value:
        for name, inner in value.items():
            under = schema.child(shape, name) or VALUE
            yield from _walk(under, inner, (*at, f"f:{name}"))
    elif shape.kind == "list" and isinstance(value, list) and value:
        for element in value:
            path = (*at, f"k:{schema.key_of(shape, element)}")
            yield path, None
            yield from _walk(schema.item(shape), element, path)
    elif shape.kind == "set" and isinstance(value, list) and value:
        for element in value:
            yield (*at, f"v:{json.dumps(element)}"), None
    else:
        yield at, value


def branches(shape: Shape, value: Any, at: Path = ()) -> Iterator[Path]:
    """The paths of the structs, maps and keyed lists themselves: who adds one owns it too (the member ".")."""
    if not value or (shape.kind not in ("struct", "map", "list") or not isinstance(value, dict | list)):
        return
    if at and at not in _ALWAYS_THERE and not at[-1].startswith("k:"):
        yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from branches(schema.child(shape, name) or VALUE, inner, (*at, f"f:{name}"))
    else:
        for element in value:
            yield from branches(schema.item(shape), element, (*at, f"k:{schema.key_of(shape, element)}"))


def differences(shape: Shape, old: Any, new: Any) -> tuple[Paths, Paths]:
    """(added or modified, removed) paths from old to new."""
    before, after = leaves(shape, old), leaves(shape, new)
    changed = {path for path, leaf in after.items() if path not in before or before[path] != leaf}
    return frozenset(changed), frozenset(before.keys() - after.keys())


def to_fields_v1(paths: Paths) -> Object:
    """The nested form; a path that has members below it and is one itself gets the member "."."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _without_lone_dots(root)


def _without_lone_dots(node: Object) -> Object:
    return {} if list(node) == ["."] else {name: _without_lone_dots(inner) for name, inner in node.items()}


def from_fields_v1(fields: Object, at: Path = ()) -> Paths:
    found: set[Path] = set()
    for name, inner in fields.items():
        if name == ".":
            found.add(at)
        elif not inner:
            found.add((*at, name))
        else:
            found |= from_fields_v1(inner, (*at, name))
    return frozenset(found)


def readable(path: Path) -> str:
    """As conflicts name it: `.spec.template.spec.containers[name="model"].image`."""
    words = []
    for element in path:
        kind, rest = element[0], element[2:]
        if kind == "f":
            words.append(f".{rest}")
        elif kind == "k":
            pairs = [f"{k}={json.dumps(v)}" for k, v in json.loads(rest).items()]
            words.append(f"[{','.join(pairs)}]")
        else:
            words.append(f"[={rest}]")
    return "".join(words)


def owns(paths: Paths, path: Path) -> bool:
    """Whether a set holds the path or anything below it."""
    return path in paths or any(other[: len(path)] == path for other in paths)
