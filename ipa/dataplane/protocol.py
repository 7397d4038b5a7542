"""What the V2 protocol says of one pipeline, whichever wire says it: model metadata and a valid request. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ipa.dataplane.tensors import DTYPES, Array, RequestError, Tensors, TensorSpec, decode
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
    """A valid request: its tensors all have `rows` rows; `outputs` are the names asked for.

    `raw` are those of them to be sent as raw bytes where the wire leaves a choice (REST).
    """

    id: str | None
    tensors: Tensors
    rows: int
    outputs: tuple[str, ...]
    raw: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GivenInput:
    """One input as it came, unchecked; `data` is a list of elements (REST: perhaps nested) or their raw bytes."""

    name: object
    datatype: object
    shape: object
    data: object


def checked_inputs(model: ModelMetadata, given: Iterable[GivenInput]) -> tuple[Tensors, int]:
    """Every input of the model, once, and how many rows each of them has. Raises RequestError."""
    specs = {spec.name: spec for spec in model.inputs}
    tensors: dict[str, Array] = {}
    for tensor in given:
        name = checked_name(tensor.name, "input", specs)
        if name in tensors:
            raise RequestError(f"input {name!r} is given twice")
        tensors[name] = decode(specs[name], tensor.datatype, tensor.shape, tensor.data)
    missing = [name for name in specs if name not in tensors]
    if missing:
        raise RequestError(f"input {missing[0]!r} is missing; the model takes {list(specs)}")
    rows = {name: array.shape[0] for name, array in tensors.items()}
    if len(set(rows.values())) != 1:
        raise RequestError(f"inputs differ in rows ({rows}); the first dimension must be the same for all")
    return tensors, next(iter(rows.values()))


def checked_outputs(model: ModelMetadata, asked: Iterable[object]) -> tuple[str, ...]:
    """The names `asked` for, each once; all of the model's if none is. Raises RequestError."""
    known = [spec.name for spec in model.outputs]
    return tuple(dict.fromkeys(checked_name(name, "output", known) for name in asked)) or tuple(known)


def checked_name(name: object, side: str, known: Collection[str]) -> str:
    """`name`, if the model has such an input or output. Raises RequestError."""
    if not isinstance(name, str):
        raise RequestError(f"every {side} must be an object with a name (a string)")
    if name not in known:
        raise RequestError(f"unknown {side} {name[:60]!r}; the model has {list(known)}")
    return name


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
