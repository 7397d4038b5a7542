"""Requests that are almost right, by seed: a valid one, changed in one or two places.

Over REST, over gRPC and, with the head changed as well, over a bare socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import orjson
from tritonclient.grpc import service_pb2

JSON_BYTES = "Inference-Header-Content-Length"
INFER = "/v2/models/pipe/infer"
SERVICE = "/inference.GRPCInferenceService/"

_NAMES = ["x", "y", "", "X", "x\0", "é" * 40, "../x", "x" * 5000]
_DATATYPES = ["FP32", "FP64", "FP16", "INT8", "UINT64", "BOOL", "BYTES", "BF16", "", "fp32", "FP32 "]
_SIZES = [-(2**63), -1, 0, 1, 2, 3, 4, 7, 8, 2**31, 2**62, 2**63 - 1]
_SHAPES: list[list[int]] = [[], [1], [2, 1], [1, 2, 1], [0, 2], [-1, 2], [2**31, 2], [2**62, 2**62], [3, 2], [1] * 2000]
_HEADERS = [
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "deflate"},
    {"Content-Encoding": "br"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "\x7f"},
    {"Expect": "something"},
    {"X-Long": "x" * 9000},
    {JSON_BYTES: "x"},
    {JSON_BYTES: "-1"},
    {JSON_BYTES: "0"},
    {JSON_BYTES: "40"},
    {JSON_BYTES: "999999"},
    {JSON_BYTES: "9" * 100},
    {"Transfer-Encoding": "chunked"},
]
_PATHS = [
    "/v2/models/other/infer",
    "/v2/models//infer",
    "/v2/models/pipe",
    "/v2/models/pipe/versions/1/infer",
    "/v2/models/%00/infer",
    "/v2/models/pipe/infer/",
    "/v2/repository/index",
    "/metrics",
    "/" + "x" * 9000,
    INFER + "?" + "a=b&" * 500,
]


@dataclass(frozen=True, slots=True)
class RestCase:
    body: bytes
    method: str = "POST"
    path: str = INFER
    headers: dict[str, str] = field(default_factory=dict)

    def on_the_wire(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [] if "Transfer-Encoding" in self.headers else [f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class GrpcCase:
    body: bytes
    method: str = "ModelInfer"


# --- REST ------------------------------------------------------------------------------------------------------


def rest_case(random: Random) -> RestCase:
    document, tail = _document(random)
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        random.choice([_replace, _replace, _delete, _double])(random, document)
    encoded = orjson.dumps(document)
    headers = {JSON_BYTES: str(len(encoded))} if tail or random.random() < 0.1 else {}
    case = RestCase(_nonfinite(random, encoded) + tail, headers=headers)
    for _ in range(random.choice([0, 0, 1, 2])):
        case = random.choice(_REST_CHANGES)(random, case)
    return case


def wire_case(random: Random) -> bytes:
    """A request with bytes changed anywhere, its head included."""
    sent = rest_case(random).on_the_wire()
    for _ in range(random.choice([1, 2, 5])):
        sent = _scrambled(random, sent, within=400)
    return sent


def _document(random: Random) -> tuple[dict[str, Any], bytes]:
    """A valid request of one to three rows, with JSON data (flat or nested) or with raw data behind the JSON."""
    rows = random.randint(1, 3)
    values = [[random.uniform(-9, 9), 1] for _ in range(rows)]
    tensor: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [rows, 2]}
    document: dict[str, Any] = {"id": "7", "inputs": [tensor]}
    if random.random() < 0.5:
        document |= {"outputs": [{"name": "x", "parameters": {"binary_data": random.random() < 0.5}}], "parameters": {}}
    kind = random.choice(["flat", "nested", "raw"])
    if kind == "raw":
        tensor["parameters"] = {"binary_data_size": 8 * rows}
        return document, np.array(values, "<f4").tobytes()
    tensor["data"] = values if kind == "nested" else [number for row in values for number in row]
    return document, b""


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every container in `document` with every key or index of it."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else []
    places = [(document, key) for key in keys]
    return places + [place for _, key in places for place in _places(document[key])]


def _replace(random: Random, document: dict[str, Any]) -> None:
    container, key = random.choice(_places(document) or [(document, "inputs")])
    container[key] = _junk(random)


def _delete(random: Random, document: dict[str, Any]) -> None:
    if places := _places(document):
        container, key = random.choice(places)
        del container[key]


def _double(random: Random, document: dict[str, Any]) -> None:
    """One element more in a list, equal to one that is there."""
    lists = [container for container, _ in _places(document) if isinstance(container, list) and container]
    if lists:
        chosen = random.choice(lists)
        chosen.append(random.choice(chosen))


def _junk(random: Random) -> Any:
    deep: Any = []
    for _ in range(random.choice([1, 5, 100])):
        deep = [deep] if random.random() < 0.5 else {"x": deep}
    values = [None, True, -1, 2**64 - 1, 0.5, 1e308, "", "x", "ü" * 500, [], {}, [None], [[], [1]], deep]
    return deepcopy(random.choice([*values, *_NAMES, *_DATATYPES, *_SIZES, *_SHAPES]))  # the next change may alter it


def _nonfinite(random: Random, encoded: bytes) -> bytes:
    return (
        encoded.replace(b"1", random.choice([b"NaN", b"Infinity", b"1e999", b"01"]))
        if random.random() < 0.03
        else encoded
    )


def _scrambled(random: Random, data: bytes, within: int = 2**31) -> bytes:
    """Bytes cut off, removed, inserted or changed somewhere in the first `within`."""
    at = random.randint(0, min(len(data), within))
    some = random.choice([b"", b"\0", b"\xff", b"\r\n", b"\r\n\r\n", b'"', b"{", b"]", random.randbytes(4)])
    return random.choice([data[:at], data[:at] + some + data[at:], data[:at] + some + data[at + len(some) :]])


_REST_CHANGES: Sequence[Callable[[Random, RestCase], RestCase]] = (
    lambda random, case: replace(case, body=_scrambled(random, case.body)),
    lambda random, case: replace(case, body=_scrambled(random, case.body)),
    lambda random, case: replace(case, body=case.body * 2),
    lambda random, case: replace(case, body=random.randbytes(random.randint(0, 50))),
    lambda random, case: replace(case, headers=case.headers | random.choice(_HEADERS)),
    lambda random, case: replace(case, path=random.choice(_PATHS)),
    lambda random, case: replace(case, method=random.choice(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "NOSUCH"])),
)


# --- gRPC ------------------------------------------------------------------------------------------------------


def grpc_case(random: Random) -> GrpcCase:
    message = _message(random)
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        random.choice(_MESSAGE_CHANGES)(random, message)
    case = GrpcCase(message.SerializeToString())
    for _ in range(random.choice([0, 0, 1, 2])):
        case = replace(case, body=_scrambled(random, case.body))
    if random.random() < 0.1:
        case = replace(
            case, method=random.choice(["ModelReady", "ModelMetadata", "ServerLive", "ModelConfig", "Nonsense"])
        )
    return case


def _message(random: Random) -> Any:
    rows = random.randint(1, 3)
    values = np.array([[random.uniform(-9, 9), 1] for _ in range(rows)], "<f4")
    message = service_pb2.ModelInferRequest(model_name="pipe", id="7")
    tensor = message.inputs.add(name="x", datatype="FP32", shape=[rows, 2])
    if random.random() < 0.5:
        message.raw_input_contents.append(values.tobytes())
    else:
        tensor.contents.fp32_contents.extend(values.reshape(-1).tolist())
    if random.random() < 0.3:
        message.outputs.add(name="x")
    return message


def _set_raw(random: Random, message: Any) -> None:
    raw = [
        random.choice([b"", b"\0" * 8, random.randbytes(8), bytes(7), bytes(800)]) for _ in range(random.randint(0, 3))
    ]
    message.raw_input_contents[:] = raw


def _set_contents(random: Random, message: Any) -> None:
    for tensor in message.inputs:
        name = random.choice([descriptor.name for descriptor in tensor.contents.DESCRIPTOR.fields])
        getattr(tensor.contents, name).append(b"\xff" if name == "bytes_contents" else 1)


def _set_field(name: str, values: Sequence[Any]) -> Callable[[Random, Any], None]:
    def change(random: Random, message: Any) -> None:
        for tensor in message.inputs:
            setattr(tensor, name, random.choice(values))

    return change


def _set_shape(random: Random, message: Any) -> None:
    for tensor in message.inputs:
        tensor.shape[:] = random.choice([*_SHAPES, [random.choice(_SIZES), random.choice(_SIZES)]])


def _set_model(random: Random, message: Any) -> None:
    setattr(message, random.choice(["model_name", "model_version", "id"]), random.choice(_NAMES))


def _change_lists(random: Random, message: Any) -> None:
    chosen = random.choice([message.inputs, message.outputs])
    if chosen and random.random() < 0.5:
        del chosen[0]
    else:
        chosen.add(name=random.choice(_NAMES))


_MESSAGE_CHANGES: Sequence[Callable[[Random, Any], None]] = (
    _set_raw,
    _set_contents,
    _set_field("name", _NAMES),
    _set_field("datatype", _DATATYPES),
    _set_shape,
    _set_model,
    _change_lists,
)
