"""Which stage waits for which, and the way one request takes. Pure; tensors are passed on, nothing is computed.

A stage starts once all stages it waits for have answered or were skipped. It is skipped if its `when` does not hold, or
if all it waits for was skipped; a join takes what those of them return that ran. The answer is what the last stages on
the request's way return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ipa.dataplane.tensors import Array, Tensors
from ipa.domain import When
from ipa.errors import ServingError


@dataclass(frozen=True, slots=True)
class Node:
    """One stage in the graph; `after` is empty for a source, which takes the request itself."""

    name: str
    after: tuple[str, ...] = ()
    when: When | None = None


def holds(when: When, tensor: Array) -> bool:
    """Whether every element has the value: a request goes as a whole, its rows are never parted."""
    return bool(tensor.size > 0 and (tensor == when.equals).all())


def line(names: Sequence[str]) -> tuple[Node, ...]:
    """The stages in a straight line."""
    return tuple(Node(name, tuple(names[max(0, i - 1) : i])) for i, name in enumerate(names))


class Journey:
    """One request under way. `next` says what may start, `done` what a stage answered, `answer` what came out."""

    def __init__(self, nodes: Sequence[Node], request: Tensors) -> None:
        """`nodes`: each listed after those it waits for."""
        self._nodes = nodes
        self._request = request
        self._begun: set[str] = set()
        self._returned: dict[str, Tensors | None] = {}  # None: skipped

    def next(self) -> list[Node]:
        """The stages that may start now; each is named once."""
        ready = []
        for node in self._nodes:  # in order, so that one pass settles all that is skipped because another was
            if node.name in self._begun or any(name not in self._returned for name in node.after):
                continue
            self._begun.add(node.name)
            if self._is_taken(node):
                ready.append(node)
            else:
                self._returned[node.name] = None
        return ready

    def arrived(self, node: Node) -> Tensors:
        """All tensors that the stages before `node` hand on; the request's for a source."""
        if not node.after:
            return self._request
        if len(node.after) == 1:
            return self._returned[node.after[0]] or {}
        return {name: tensor for returned in self._before(node) for name, tensor in returned.items()}

    def done(self, stage: str, returned: Tensors) -> None:
        self._returned[stage] = returned

    def answer(self) -> Tensors:
        """What the stages returned that ran and have no follower that ran."""
        went_on = {name for node in self._nodes if self._returned.get(node.name) is not None for name in node.after}
        ends = [self._returned[node.name] or {} for node in self._nodes if node.name not in went_on]
        return {name: tensor for returned in ends for name, tensor in returned.items()}

    def _is_taken(self, node: Node) -> bool:
        if not node.after:
            return True
        before = self._before(node)
        if node.when is None:
            return bool(before)
        tested = (returned[node.when.output] for returned in before if node.when.output in returned)
        return any(holds(node.when, tensor) for tensor in tested)

    def _before(self, node: Node) -> list[Tensors]:
        found = (self._returned[name] for name in node.after)
        return [returned for returned in found if returned is not None]


# --- as JSON, in the start message ---------------------------------------------------------------------------


def parse_nodes(rows: Iterable[Any]) -> tuple[Node, ...]:
    """Rows are names (each after the one before) or {"name", "after", "when"}. Raises ServingError."""
    nodes: list[Node] = []
    for i, row in enumerate(rows):
        before = tuple(node.name for node in nodes[-1:])
        given = {"name": row} if isinstance(row, str) else row
        nodes.append(_node(given, before, f"stages[{i}]"))
    _check_order(nodes)
    return tuple(nodes)


def _node(row: Any, before: tuple[str, ...], where: str) -> Node:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"]:
        raise ServingError(f"{where} must be a name or an object with a name, not {row!r}")
    after = row.get("after", list(before))
    if not isinstance(after, list) or any(not isinstance(name, str) for name in after):
        raise ServingError(f"{where}.after must be a list of names, not {after!r}")
    when = row.get("when")
    if when is not None and not after:
        raise ServingError(f"{where}.when: a stage that comes after none has no output to test")
    return Node(row["name"], tuple(after), None if when is None else _when(when, f"{where}.when"))


def _when(row: Any, where: str) -> When:
    if not isinstance(row, Mapping) or not isinstance(row.get("output"), str):
        raise ServingError(f"{where} must be an object with output and equals, not {row!r}")
    equals = row.get("equals")
    if not isinstance(equals, bool | int | float) or (isinstance(equals, float) and not isfinite(equals)):
        raise ServingError(f"{where}.equals must be a finite number or a boolean, not {equals!r}")
    return When(row["output"], equals)


def _check_order(nodes: Sequence[Node]) -> None:
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            raise ServingError(f"stages must be one name or more, each once, not {node.name!r} twice")
        if absent := [name for name in node.after if name not in seen]:
            raise ServingError(f"stage {node.name!r} comes after {absent[0]!r}, which is not listed before it")
        if len(set(node.after)) < len(node.after):
            raise ServingError(f"stage {node.name!r} comes after one stage twice: {list(node.after)}")
        seen.add(node.name)
