from __future__ import annotations

from typing import Any

import orjson
import pytest

from ipa.dataplane.start import parse_start
from ipa.errors import ServingError

MESSAGE: dict[str, Any] = {
    "pipeline": "pipe",
    "host": "127.0.0.1",
    "port": 0,
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
    assert start.stages == ("one", "two")
    assert start.drop_after_s == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batching": "full"}, "batching must be greedy; full is not built, not 'full'"),
        ({"stages": []}, "stages must be one name or more"),
        ({"stages": ["one", "one"]}, "each once"),
        ({"stages": [1]}, "stages must be one name or more"),
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
