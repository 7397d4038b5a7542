"""Merging by shape: an applied configuration over an object, taking paths away, and the three patch formats.

https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
"""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.kube import failures, schema
from tests.kube.fieldsets import Path
from tests.kube.resources import Object
from tests.kube.schema import VALUE, Shape


def merged(shape: Shape, live: Any, applied: Any) -> Any:
    """`applied` over `live`: structs and maps field by field, lists by key, everything else replaced."""
    if shape.kind in ("struct", "map") and isinstance(live, dict) and isinstance(applied, dict):
        names = {**live, **applied}
        return {name: _field(shape, live, applied, name) for name in names}
    if shape.kind == "list" and isinstance(live, list) and isinstance(applied, list):
        return _by_key(shape, live, applied)
    if shape.kind == "set" and isinstance(live, list) and isinstance(applied, list):
        return [*live, *(element for element in applied if element not in live)]
    return copy.deepcopy(applied)


def _field(shape: Shape, live: Object, applied: Object, name: str) -> Any:
    if name not in applied:
        return copy.deepcopy(live[name])
    return merged(schema.child(shape, name) or VALUE, live.get(name), applied[name])


def _by_key(shape: Shape, live: list[Any], applied: list[Any]) -> list[Any]:
    """The applied order first where all are known; items that only live has keep their place behind."""
    inner = schema.item(shape)
    new = {schema.key_of(shape, element): element for element in applied}
    old = {schema.key_of(shape, element): element for element in live}
    kept = [merged(inner, element, new[key]) if key in new else copy.deepcopy(element) for key, element in old.items()]
    return kept + [copy.deepcopy(element) for key, element in new.items() if key not in old]


def without(value: Any, shape: Shape, path: Path) -> None:
    """Takes one path away in place; parents that it leaves empty go with it."""
    element, rest = path[0], path[1:]
    if element.startswith("f:") and isinstance(value, dict):
        name = element[2:]
        if name not in value:
            return
        if rest:
            without(value[name], schema.child(shape, name) or VALUE, rest)
        if not rest or value[name] in ({}, []):
            del value[name]
    elif element.startswith("k:") and isinstance(value, list):
        for index, inner in enumerate(value):
            if schema.key_of(shape, inner) == element[2:]:
                if rest:
                    without(inner, schema.item(shape), rest)
                else:
                    del value[index]
                return
    elif element.startswith("v:") and isinstance(value, list) and json.loads(element[2:]) in value:
        value.remove(json.loads(element[2:]))


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else (lists too) replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for name, inner in patch.items():
        if inner is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), inner)
    return result


def strategic(shape: Shape, value: Any, patch: Any) -> Any:
    """A strategic merge: as a merge patch, but lists with a patch merge key merge; `$patch` deletes or replaces."""
    if isinstance(patch, dict):
        return _strategic_object(shape, value, patch)
    if shape.patch_key and isinstance(patch, list):
        return _strategic_list(shape, value or [], patch)
    if shape.kind == "set" and isinstance(value, list) and isinstance(patch, list):
        return [*value, *(element for element in patch if element not in value)]
    return copy.deepcopy(patch)


def _strategic_object(shape: Shape, value: Any, patch: Object) -> Any:
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    fields = {name: inner for name, inner in patch.items() if not name.startswith("$")}
    result = {} if directive == "replace" or not isinstance(value, dict) else dict(value)
    for name, inner in fields.items():
        if inner is None:
            result.pop(name, None)
        else:
            under = (schema.child(shape, name) if shape.kind in ("struct", "map") else None) or VALUE
            result[name] = strategic(under, result.get(name), inner)
    return result


def _strategic_list(shape: Shape, value: list[Any], patch: list[Any]) -> list[Any]:
    if {"$patch": "replace"} in patch:
        return [element for element in patch if element != {"$patch": "replace"}]
    key, inner, result = shape.patch_key, schema.item(shape), list(value)
    for element in patch:
        at = next((i for i, old in enumerate(result) if old.get(key) == element.get(key)), None)
        if element.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != element.get(key)]
        elif at is None:
            result.append(strategic(inner, {}, element))
        else:
            result[at] = strategic(inner, result[at], element)
    return result


def json_patch(value: Object, operations: Any) -> Object:
    """RFC 6902; a `test` that fails or a path that is not there answers 422 as the server does."""
    result = copy.deepcopy(value)
    if not isinstance(operations, list):
        raise failures.bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for operation in operations:
        try:
            _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = "the server rejected our request due to an error in our request"
            raise failures.Refused(422, "Invalid", message) from error
    return result


def _operate(root: Object, operation: Object) -> None:
    kind = operation["op"]
    if kind in ("move", "copy"):
        carried = copy.deepcopy(_reach(root, _pointer(operation["from"])))
        if kind == "move":
            _take(root, _pointer(operation["from"]))
        _put(root, _pointer(operation["path"]), carried)
    elif kind == "test":
        if _reach(root, _pointer(operation["path"])) != operation["value"]:
            raise ValueError(operation["path"])
    elif kind == "remove":
        _take(root, _pointer(operation["path"]))
    elif kind == "replace":
        _reach(root, _pointer(operation["path"]))
        _take(root, _pointer(operation["path"]))
        _put(root, _pointer(operation["path"]), operation["value"])
    elif kind == "add":
        _put(root, _pointer(operation["path"]), operation["value"])
    else:
        raise ValueError(kind)


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _reach(node: Any, path: list[str]) -> Any:
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _take(root: Any, path: list[str]) -> None:
    parent = _reach(root, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]


def _put(root: Any, path: list[str], value: Any) -> None:
    parent, last = _reach(root, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value
