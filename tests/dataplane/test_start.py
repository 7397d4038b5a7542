from __future__ import annotations

from typing import Any

import orjson
import pytest

from ipa.dataplane.graph import Node
from ipa.dataplane.start import parse_start
from ipa.domain import When
from ipa.errors import ServingError

MESSAGE: dict[str, Any] = {
    "pipeline": "pipe",
    "host": "127.0.0.1",
    "port": 0,
    "grpc_port": 0,
    "admin_port": 0,
    "admin_token": "secret",
    "stages": ["one", "two"],
    "drop_after_s": 2,
    "batching": "greedy",
    "batch_wait_s": 1.0,
    "queue_limit": 100,
    "in_flight": 1,
}


def test_the_message_is_read() -> None:
    start = parse_start(orjson.dumps(MESSAGE))
    assert start.stages == (Node("one"), Node("two", ("one",)))
    assert start.wait_s == 0.0, "greedy"
    assert start.drop_after_s == 2


def test_a_graph_with_a_branch_and_full_batches_is_read() -> None:
    stages = [
        "one",
        {"name": "two", "when": {"output": "y", "equals": True}},
        {"name": "three", "after": ["one", "two"]},
        {"name": "four", "after": []},
    ]
    start = parse_start(orjson.dumps(MESSAGE | {"stages": stages, "batching": "full", "batch_wait_s": 0.5}))
    assert start.wait_s == 0.5
    assert start.stages == (
        Node("one"),
        Node("two", ("one",), When("y", True)),
        Node("three", ("one", "two")),
        Node("four"),
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batching": "half"}, "batching must be greedy or full, not 'half'"),
        ({"batch_wait_s": -1}, "batch_wait_s must be at least 0, not -1"),
        ({"stages": []}, "stages must be one name or more"),
        ({"stages": ["one", "one"]}, "each once"),
        ({"stages": [1]}, r"stages\[0\] must be a name or an object with a name, not 1"),
        ({"stages": [{"name": "a", "after": ["b"]}]}, "'a' comes after 'b', which is not listed before it"),
        ({"stages": ["a", {"name": "b", "after": ["a", "a"]}]}, "'b' comes after one stage twice"),
        ({"stages": ["a", {"name": "b", "after": "a"}]}, r"stages\[1\].after must be a list of names"),
        ({"stages": [{"name": "a", "when": {"output": "x", "equals": 1}}]}, "comes after none has no output to test"),
        ({"stages": ["a", {"name": "b", "when": {"output": "x"}}]}, "when.equals must be a finite number"),
        ({"stages": ["a", {"name": "b", "when": {"output": "x", "equals": "1"}}]}, "a boolean, not '1'"),
        ({"stages": ["a", {"name": "b", "when": 3}]}, "when must be an object with output and equals"),
        ({"queue_limit": 0}, "queue_limit must be at least 1, not 0"),
        ({"in_flight": True}, "in_flight must be a whole number, not True"),
        ({"drop_after_s": None}, "drop_after_s must be a number, not None"),
        ({"port": 70000}, "port must be 0 to 65535"),
        ({"pipeline": "a/b"}, "pipeline must be a name without /"),
        ({"admin_token": ""}, "admin_token must be not empty"),
    ],
)
def test_a_broken_field_is_named_with_its_rule(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ServingError, match=f"start message: .*{says}"):
        parse_start(orjson.dumps(MESSAGE | changes))


@pytest.mark.parametrize("line", [b"", b"{", b"[]\n"])
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(ServingError, match="start message"):
        parse_start(line)
