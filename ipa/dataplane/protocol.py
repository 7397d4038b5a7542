"""The V2 documents of one pipeline: model metadata, inference request, inference response. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ipa.dataplane import documents
from ipa.dataplane.tensors import DTYPES, RequestError, Tensors, TensorSpec, decode, encode
from ipa.errors import ServingError


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A model's name and its tensors."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "versions": [],
            "platform": "ipa",
            "inputs": [tensor.as_json() for tensor in self.inputs],
            "outputs": [tensor.as_json() for tensor in self.outputs],
        }


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A valid request: its tensors all have `rows` rows; `outputs` are the names asked for."""

    id: str | None
    tensors: Tensors
    rows: int
    outputs: tuple[str, ...]


def parse_request(body: bytes, model: ModelMetadata) -> InferRequest:
    """The request in `body`, checked against the model. Raises RequestError."""
    document = _document(body)
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"id must be a string, not {type(request_id).__name__}")
    tensors = _inputs(document, model)
    rows = {name: array.shape[0] for name, array in tensors.items()}
    if len(set(rows.values())) != 1:
        raise RequestError(f"inputs differ in rows ({rows}); the first dimension must be the same for all")
    return InferRequest(request_id, tensors, next(iter(rows.values())), _outputs(document, model))


def response(model: ModelMetadata, request: InferRequest, tensors: Tensors) -> bytes:
    """The V2 JSON answer, of the outputs that the request's way through the branches gave.

    Raises ServingError if one cannot be written as JSON.
    """
    names = [name for name in request.outputs if name in tensors]
    for name in names:
        if tensors[name].dtype.kind == "f" and not np.isfinite(tensors[name]).all():
            raise ServingError(f"output {name!r} holds NaN or infinity, which JSON cannot carry")
    document: dict[str, object] = {"model_name": model.name}
    if request.id is not None:
        document["id"] = request.id
    document["outputs"] = [encode(name, tensors[name]) for name in names]
    return documents.dumps(document)


def check_model(model: ModelMetadata, where: str) -> None:
    """Raises ServingError unless every tensor of `model` can be routed: batched and of a supported datatype."""
    for side, tensors in (("input", model.inputs), ("output", model.outputs)):
        if not tensors:
            raise ServingError(f"{where}: the metadata of model {model.name!r} lists no {side}")
        for tensor in tensors:
            if tensor.datatype not in DTYPES:
                raise ServingError(
                    f"{where}: {side} {tensor.name!r} is {tensor.datatype}; supported are {', '.join(DTYPES)}"
                )
            if not tensor.shape:
                raise ServingError(f"{where}: {side} {tensor.name!r} has no first dimension to batch along")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = documents.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RequestError(f"the body must be a JSON object, not {type(document).__name__}")
    return document


def _inputs(document: dict[str, Any], model: ModelMetadata) -> Tensors:
    given = document.get("inputs")
    if not isinstance(given, list):
        raise RequestError("inputs must be a list of tensors")
    specs = {spec.name: spec for spec in model.inputs}
    tensors: dict[str, Any] = {}
    for tensor in given:
        name = _name(tensor, "input", specs)
        if name in tensors:
            raise RequestError(f"input {name!r} is given twice")
        tensors[name] = decode(specs[name], tensor.get("datatype"), tensor.get("shape"), tensor.get("data"))
    missing = [name for name in specs if name not in tensors]
    if missing:
        raise RequestError(f"input {missing[0]!r} is missing; the model takes {list(specs)}")
    return tensors


def _outputs(document: dict[str, Any], model: ModelMetadata) -> tuple[str, ...]:
    asked = document.get("outputs")
    names = {spec.name: spec for spec in model.outputs}
    if asked is None or asked == []:
        return tuple(names)
    if not isinstance(asked, list):
        raise RequestError("outputs must be a list of objects with a name")
    return tuple(dict.fromkeys(_name(tensor, "output", names) for tensor in asked))


def _name(tensor: object, side: str, known: dict[str, TensorSpec]) -> str:
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(name, str):
        raise RequestError(f"every {side} must be an object with a name (a string)")
    if name not in known:
        raise RequestError(f"unknown {side} {name[:60]!r}; the model has {list(known)}")
    return name
