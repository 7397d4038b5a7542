"""The start message: one JSON line that says all a router needs to know."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from ipa.dataplane import documents
from ipa.dataplane.graph import Node, parse_nodes
from ipa.errors import ServingError


@dataclass(frozen=True, slots=True)
class Start:
    """Ports may be 0 (any free one); `stages`: each listed after those it waits for; `batching` greedy or full.

    queue_limit in requests, in_flight in batches per replica.
    """

    pipeline: str
    host: str
    port: int
    grpc_port: int
    admin_port: int
    admin_token: str
    stages: tuple[Node, ...]
    drop_after_s: float
    batching: str
    batch_wait_s: float
    queue_limit: int
    in_flight: int

    @property
    def wait_s(self) -> float:
        """How long a batch may wait to fill; not at all when greedy."""
        return self.batch_wait_s if self.batching == "full" else 0.0


_TYPES: dict[str, tuple[Any, str]] = {
    "str": (str, "a string"),
    "int": (int, "a whole number"),
    "float": (int | float, "a number"),
    "tuple[Node, ...]": (list, "a list of stages"),
}


def parse_start(line: bytes) -> Start:
    """Raises ServingError naming the field and the rule it breaks."""
    try:
        document = documents.loads(line)
    except ValueError as error:
        raise ServingError(f"start message: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ServingError("start message: must be a JSON object")
    given = {field.name: _value(document, field.name, str(field.type)) for field in fields(Start)}
    try:
        start = Start(**{**given, "stages": parse_nodes(given["stages"])})
    except ServingError as error:
        raise ServingError(f"start message: {error}") from error
    _check(start)
    return start


def _value(document: dict[str, Any], name: str, kind: str) -> Any:
    wanted, rule = _TYPES[kind]
    value = document.get(name)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ServingError(f"start message: {name} must be {rule}, not {value!r}")
    return value


def _check(start: Start) -> None:
    rules = {
        "pipeline": (start.pipeline != "" and "/" not in start.pipeline, "a name without /"),
        "host": (start.host != "", "an address, as 0.0.0.0 for everywhere"),
        "admin_token": (start.admin_token != "", "not empty"),
        "port": (0 <= start.port <= 65535, "0 to 65535"),
        "grpc_port": (0 <= start.grpc_port <= 65535, "0 to 65535"),
        "admin_port": (0 <= start.admin_port <= 65535, "0 to 65535"),
        "stages": (bool(start.stages), "one name or more, each once"),
        "drop_after_s": (start.drop_after_s > 0, "more than 0"),
        "batching": (start.batching in ("greedy", "full"), "greedy or full"),
        "batch_wait_s": (isfinite(start.batch_wait_s) and start.batch_wait_s >= 0, "at least 0"),
        "queue_limit": (start.queue_limit >= 1, "at least 1"),
        "in_flight": (start.in_flight >= 1, "at least 1"),
    }
    for name, (holds, rule) in rules.items():
        if not holds:
            shown = "that value" if name == "admin_token" else repr(getattr(start, name))
            raise ServingError(f"start message: {name} must be {rule}, not {shown}")
