"""V2 over REST: a JSON document, with raw tensors behind it if the binary tensor extension is used. Pure.

The extension (Triton, `extension_binary_data.md`): the header Inference-Header-Content-Length says where the JSON
ends; the raw contents of every tensor that has the parameter `binary_data_size` follow in the order of the tensors.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipa.dataplane import documents
from ipa.dataplane.protocol import GivenInput, InferRequest, ModelMetadata, checked_inputs, checked_outputs
from ipa.dataplane.tensors import DATATYPES, Array, RequestError, Tensors, encode
from ipa.errors import ServingError


@dataclass(frozen=True, slots=True)
class RestMessage:
    """A body and the length of the JSON in it; None: JSON is all there is."""

    body: bytes
    json_bytes: int | None = None


def parse_request(message: RestMessage, model: ModelMetadata) -> InferRequest:
    """The request in `message`, checked against the model. Raises RequestError."""
    document = _document(message)
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"id must be a string, not {type(request_id).__name__}")
    tensors, rows = checked_inputs(model, _given(document, message))
    asked = _objects(document, "output") if document.get("outputs") is not None else []
    outputs = checked_outputs(model, [output.get("name") for output in asked])
    return InferRequest(request_id, tensors, rows, outputs, _raw(document, asked, outputs))


def response(model: ModelMetadata, request: InferRequest, tensors: Tensors) -> RestMessage:
    """The V2 answer, of the outputs that the request's way through the branches gave.

    Raises ServingError if one cannot be written as JSON.
    """
    names = [name for name in request.outputs if name in tensors]
    raw = [name for name in names if name in request.raw]
    document: dict[str, object] = {"model_name": model.name}
    if request.id is not None:
        document["id"] = request.id
    document["outputs"] = [
        _raw_header(name, tensors[name]) if name in request.raw else _json_tensor(name, tensors[name]) for name in names
    ]
    body = documents.dumps(document)
    if not raw:
        return RestMessage(body)
    return RestMessage(b"".join([body, *(tensors[name].tobytes() for name in raw)]), len(body))


def _json_tensor(name: str, array: Array) -> dict[str, object]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ServingError(f"output {name!r} holds NaN or infinity, which JSON cannot carry")
    return encode(name, array)


def _raw_header(name: str, array: Array) -> dict[str, object]:
    return {
        "name": name,
        "datatype": DATATYPES[array.dtype],
        "shape": list(array.shape),
        "parameters": {"binary_data_size": array.nbytes},
    }


def _document(message: RestMessage) -> dict[str, Any]:
    json_bytes = len(message.body) if message.json_bytes is None else message.json_bytes
    if json_bytes > len(message.body):
        raise RequestError(f"Inference-Header-Content-Length is {json_bytes} in a body of {len(message.body)} bytes")
    try:
        document = documents.loads(message.body[:json_bytes])
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RequestError(f"the body must be a JSON object, not {type(document).__name__}")
    return document


def _given(document: dict[str, Any], message: RestMessage) -> Iterator[GivenInput]:
    """The inputs in their order; each raw one takes its bytes from behind the JSON. All bytes must be taken."""
    at = len(message.body) if message.json_bytes is None else message.json_bytes
    for tensor in _objects(document, "input"):
        size, data = _parameters(tensor).get("binary_data_size"), tensor.get("data")
        if size is not None:
            _check_size(tensor, size, len(message.body) - at)
            data, at = message.body[at : at + size], at + size
        yield GivenInput(tensor.get("name"), tensor.get("datatype"), tensor.get("shape"), data)
    if at != len(message.body):
        raise RequestError(f"{len(message.body) - at} bytes are left in the body behind the last input")


def _check_size(tensor: dict[str, Any], size: object, left_bytes: int) -> None:
    where = f"input {reprlib.repr(tensor.get('name'))}"
    if type(size) is not int or not 0 <= size <= left_bytes:
        shown = reprlib.repr(size)
        raise RequestError(f"{where}: binary_data_size {shown} where the body has {left_bytes} bytes behind the JSON")
    if tensor.get("data") is not None:
        raise RequestError(f"{where}: has data and binary_data_size; only one of them may be given")


def _objects(document: dict[str, Any], side: str) -> list[dict[str, Any]]:
    given = document.get(f"{side}s")
    if not isinstance(given, list):
        raise RequestError(f"{side}s must be a list of objects with a name")
    if not all(isinstance(tensor, dict) for tensor in given):
        raise RequestError(f"every {side} must be an object with a name (a string)")
    return given


def _raw(document: dict[str, Any], asked: list[dict[str, Any]], outputs: tuple[str, ...]) -> frozenset[str]:
    """Who is to be sent raw: as its parameter `binary_data` says, else as the request's `binary_data_output`."""
    default = _parameters(document).get("binary_data_output", False)
    chosen = {output["name"]: _parameters(output).get("binary_data", default) for output in asked}
    return frozenset(name for name in outputs if chosen.get(name, default) is True)


def _parameters(of: dict[str, Any]) -> dict[str, Any]:
    parameters = of.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise RequestError(f"parameters must be an object, not {type(parameters).__name__}")
    return parameters
