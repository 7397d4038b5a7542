"""The way of a request through a graph, against an oracle that knows only the definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.dataplane.graph import Journey, Node, holds, line, parse_nodes
from ipa.dataplane.tensors import Array, Tensors
from ipa.domain import When
from ipa.errors import ServingError


def tensor(*values: float) -> Array:
    return np.array(values, dtype=np.int64)


def names(nodes: Sequence[Node]) -> list[str]:
    return [node.name for node in nodes]


def walk(nodes: Sequence[Node], returned: dict[str, Tensors], request: Tensors) -> tuple[list[str], Tensors]:
    """Every stage answers at once: who ran, in which order, and the answer."""
    journey, ran = Journey(nodes, request), []
    while ready := journey.next():
        for node in ready:
            ran.append(node.name)
            journey.done(node.name, returned[node.name])
    return ran, journey.answer()


DIAMOND = (Node("a"), Node("b", ("a",)), Node("c", ("a",)), Node("d", ("b", "c")))
CASCADE = (Node("fast"), Node("slow", ("fast",), When("unsure", 1)))


def test_in_a_line_each_waits_for_the_one_before() -> None:
    nodes = line(["a", "b", "c"])
    assert nodes == (Node("a"), Node("b", ("a",)), Node("c", ("b",)))
    journey = Journey(nodes, {"x": tensor(0)})
    (a,) = journey.next()
    assert journey.arrived(a) == {"x": tensor(0)}
    assert journey.next() == [], "each is named once"
    journey.done("a", {"y": tensor(1)})
    (b,) = journey.next()
    assert journey.arrived(b) == {"y": tensor(1)}


def test_a_fork_starts_both_and_the_join_waits_for_both() -> None:
    journey = Journey(DIAMOND, {})
    journey.next()
    journey.done("a", {"y": tensor(1)})
    b, c = journey.next()
    assert journey.arrived(b) == journey.arrived(c) == {"y": tensor(1)}
    journey.done("c", {"right": tensor(3)})
    assert journey.next() == []
    journey.done("b", {"left": tensor(2)})
    (d,) = journey.next()
    assert journey.arrived(d) == {"left": tensor(2), "right": tensor(3)}
    journey.done("d", {"z": tensor(4)})
    assert journey.next() == []
    assert journey.answer() == {"z": tensor(4)}


@pytest.mark.parametrize(
    ("unsure", "ran", "answer"),
    [
        ([1], ["fast", "slow"], {"label": 9}),
        ([0], ["fast"], {"label": 5, "unsure": 0}),
    ],
)
def test_a_branch_that_is_not_taken_leaves_the_answer_to_the_stage_before(
    unsure: list[int], ran: list[str], answer: dict[str, int]
) -> None:
    returned: dict[str, Tensors] = {
        "fast": {"label": tensor(5), "unsure": tensor(*unsure)},
        "slow": {"label": tensor(9)},
    }
    found, out = walk(CASCADE, returned, {})
    assert found == ran
    assert {name: int(value[0]) for name, value in out.items()} == answer


@pytest.mark.parametrize(
    ("values", "equals", "taken", "why"),
    [
        (tensor(1, 1), 1, True, "every row has the value"),
        (tensor(1, 0), 1, False, "one row differs: the request goes as a whole"),
        (np.zeros((0,), np.int64), 1, False, "nothing equals nothing"),
        (np.array([True]), True, True, "a boolean"),
        (np.array([0.1], np.float32), 0.1, True, "as exact as the tensor's own datatype"),
        (np.array([200], np.uint8), -1, False, "a value that the datatype does not have"),
        (np.array([np.nan], np.float32), 0, False, "nan equals nothing"),
    ],
)
def test_when_a_branch_is_taken(values: Array, equals: float, taken: bool, why: str) -> None:
    assert holds(When("y", equals), values) is taken, why


def test_whoever_waits_for_skipped_stages_alone_is_skipped_and_a_join_takes_what_ran() -> None:
    nodes = (
        Node("a"),
        Node("left", ("a",), When("y", 0)),
        Node("right", ("a",), When("y", 1)),
        Node("after-left", ("left",)),
        Node("join", ("after-left", "right")),
    )
    returned: dict[str, Tensors] = {
        "a": {"y": tensor(1)},
        "right": {"z": tensor(7)},
        "join": {"out": tensor(8)},
    }
    assert walk(nodes, returned, {}) == (["a", "right", "join"], {"out": tensor(8)})
    returned["a"] = {"y": tensor(2)}
    assert walk(nodes, returned, {}) == (["a"], {"y": tensor(2)}), "no branch is taken"


def test_a_number_of_any_size_is_a_value() -> None:
    assert parse_nodes(["a", {"name": "b", "when": {"output": "y", "equals": 10**400}}])[1].when
    with pytest.raises(ServingError, match="must be a finite number"):
        parse_nodes(["a", {"name": "b", "when": {"output": "y", "equals": float("nan")}}])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for i in range(draw(st.integers(1, 6))):
        after = draw(st.lists(st.sampled_from(range(i)), unique=True, max_size=3)) if i else []
        parents = tuple(f"s{j}" for j in sorted(after))
        when = None
        if draw(st.booleans()) and parents:
            when = When(f"out-{draw(st.sampled_from(parents))}", draw(st.integers(0, 1)))
        nodes.append(Node(f"s{i}", parents, when))
    return tuple(nodes)


@given(graphs(), st.lists(st.integers(0, 2), min_size=6, max_size=6), st.randoms(use_true_random=False))
def test_any_graph_agrees_with_the_definition_whatever_answers_first(
    nodes: tuple[Node, ...], values: list[int], order: object
) -> None:
    returned = {f"s{i}": value for i, value in enumerate(values)}
    runs: dict[str, bool] = {}
    for node in nodes:
        before = [name for name in node.after if runs[name]]
        runs[node.name] = not node.after or bool(before)
        if node.when is not None:
            tested = node.when.output.removeprefix("out-")
            runs[node.name] = tested in before and returned[tested] == node.when.equals
    journey = Journey(nodes, {"x": tensor(0)})
    waiting, ran = journey.next(), []
    while waiting:
        order.shuffle(waiting)  # type: ignore[attr-defined]
        node = waiting.pop()
        arrived = {f"out-{name}" for name in node.after if runs[name]} if node.after else {"x"}
        assert set(journey.arrived(node)) == arrived
        ran.append(node.name)
        journey.done(node.name, {f"out-{node.name}": tensor(returned[node.name])})
        waiting += journey.next()
    assert sorted(ran) == [node.name for node in nodes if runs[node.name]]
    last = [n.name for n in nodes if runs[n.name] and not any(n.name in o.after and runs[o.name] for o in nodes)]
    assert set(journey.answer()) == {f"out-{name}" for name in last}
