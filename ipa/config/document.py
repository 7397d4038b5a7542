"""Text → plain data, by YAML 1.2's core schema, so that any JSON document means the same here.

PyYAML follows YAML 1.1, where `1e-6` is a string, `off` is false and `1:30` is 90; its resolvers are replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from ipa.errors import ConfigError, Violation

_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 scalars and no silent duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own form)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a key must be a plain name", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    """`012` is twelve: YAML 1.2 dropped octals that only a leading zero marks."""
    return int(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)


def parse_yaml(text: str, source: str) -> Any:
    """One YAML or JSON document as dicts, lists and scalars. Raises ConfigError with line and column."""
    if text.lstrip().startswith(("{", "[")):
        try:
            # Tabs are white space in JSON and an error in YAML, so JSON is tried as JSON first.
            return json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError:
            pass  # a YAML flow mapping; the YAML parser below has the say
        except ValueError as error:
            raise ConfigError(source, [Violation("document", str(error))]) from error
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "document"
        raise ConfigError(source, [Violation(where, f"not valid YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise ConfigError(source, [Violation("document", f"not valid YAML: {error}")]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(source, [Violation("document", f"not valid YAML: {error}")]) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} is given twice")
        seen[key] = value
    return seen
