"""Which lists merge by key, which are sets, which maps are one value: read from a release's OpenAPI definitions.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

RELEASE = "v1.37.0-local"
_DEFAULT_KEYS = {"protocol": "TCP"}  # a key left out of a port takes its default before it is compared
_ATOMIC = {"io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a field is to merging: a struct, a free map, a list by keys, a set, or one value (scalar or atomic)."""

    kind: Literal["struct", "map", "list", "set", "value"]
    node: str = ""
    keys: tuple[str, ...] = ()
    patch_key: str = ""
    types: tuple[str, ...] = ()


VALUE = Shape("value")


@cache
def _definitions() -> dict[str, Any]:
    spec = importlib.util.find_spec("kubernetes_validate")
    assert spec is not None and spec.origin is not None, "kubernetes-validate brings the definitions: install it"
    home = Path(spec.origin).parent / "kubernetes-json-schema" / RELEASE
    loaded: dict[str, Any] = json.loads((home / "_definitions.json").read_text())["$defs"]
    return loaded


@cache
def of(definition: str) -> Shape:
    """The shape of a whole object, by the name of its definition."""
    return _shape({"$ref": definition})


@cache
def child(shape: Shape, field: str) -> Shape | None:
    """The shape of a field of a struct or map; None where a struct declares no such field."""
    node = json.loads(shape.node)
    if shape.kind == "struct":
        properties = node["properties"]
        return _shape(properties[field]) if field in properties else None
    return _shape(node["additionalProperties"])


@cache
def item(shape: Shape) -> Shape:
    """The shape of the items of a list merged by key."""
    return _shape(json.loads(shape.node)["items"])


def key_of(shape: Shape, element: Any) -> str:
    """What identifies an item of a list merged by key, as fieldsV1 writes it: `{"name":"model"}`."""
    key = {name: element.get(name, _DEFAULT_KEYS.get(name)) for name in sorted(shape.keys)}
    return json.dumps({name: value for name, value in key.items() if value is not None}, separators=(",", ":"))


def _shape(node: dict[str, Any]) -> Shape:
    name = str(node.get("$ref", "")).rsplit("/", 1)[-1]
    full = _definitions()[name] | {k: v for k, v in node.items() if k != "$ref"} if name else node
    if name in _ATOMIC:
        return Shape("value", types=("string", "number"))
    if full.get("x-kubernetes-map-type") == "atomic":
        return Shape("value", types=("object",))
    if "properties" in full:
        return Shape("struct", _slim(full, "properties"), types=("object",))
    if "additionalProperties" in full:
        return Shape("map", _slim(full, "additionalProperties"), types=("object",))
    if "items" in full:
        return _list(full)
    said = full.get("type", [])
    return Shape("value", types=tuple(t for t in ([said] if isinstance(said, str) else said) if t != "null"))


def _list(node: dict[str, Any]) -> Shape:
    patch_key = str(node.get("x-kubernetes-patch-merge-key", ""))
    if node.get("x-kubernetes-list-type") == "map":
        return Shape("list", _slim(node, "items"), tuple(node["x-kubernetes-list-map-keys"]), patch_key, ("array",))
    if node.get("x-kubernetes-list-type") == "set":
        return Shape("set", types=("array",))
    if patch_key:  # older definitions say only how a strategic merge goes; server-side apply takes that key
        return Shape("list", _slim(node, "items"), (patch_key,), patch_key, ("array",))
    if node.get("x-kubernetes-patch-strategy") == "merge":
        return Shape("set", types=("array",))
    return Shape("value", types=("array",))


def _slim(node: dict[str, Any], field: str) -> str:
    """The part that decides about children, as text: shapes are compared and kept by value."""
    return json.dumps({field: _without_words(node[field])}, sort_keys=True)


def _without_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _without_words(v) for k, v in node.items() if not (k == "description" and isinstance(v, str))}
    return node
