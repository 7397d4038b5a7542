"""V2 tensors, in JSON or as raw bytes, ↔ numpy arrays. Pure.

Every refusal names the tensor, the offending value and the rule.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ipa.errors import IpaError

Array: TypeAlias = npt.NDArray[Any]
Tensors: TypeAlias = Mapping[str, Array]

# Little-endian by name: raw contents are little-endian on the wire. BYTES is refused: no stage computes on text.
DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
DATATYPES: Mapping[np.dtype[Any], str] = {dtype: name for name, dtype in DTYPES.items()}

# What JSON may hold for each kind of dtype. `type(True) is int` is false, so booleans are never taken as numbers.
_JSON_TYPES: Mapping[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "true or false"),
    "i": (frozenset({int}), "integers"),
    "u": (frozenset({int}), "integers"),
    "f": (frozenset({int, float}), "finite numbers"),
}


class RequestError(IpaError):
    """The request breaks a rule of the V2 protocol or of the model: the client's fault (400)."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a model as its metadata states it; −1 in `shape` is any size, the first dimension is rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def as_json(self) -> dict[str, object]:
        """The metadata entry; the first dimension is always free for the caller."""
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, *self.shape[1:]]}


def decode(spec: TensorSpec, datatype: object, shape: object, data: object) -> Array:
    """The array of one tensor, of exactly `shape` and the spec's dtype, finite.

    `data` is a flat row-major list, lists nested like `shape`, or raw contents: the elements' bytes, little-endian
    and row-major (the array is then a read-only view of them). Raises RequestError.
    """
    where = f"input {spec.name!r}"
    if datatype != spec.datatype:
        raise RequestError(f"{where}: datatype {_shown(datatype)} where the model takes {spec.datatype}")
    if spec.datatype not in DTYPES:
        raise RequestError(f"{where}: datatype {spec.datatype} is not supported, only {', '.join(DTYPES)}")
    sizes = _checked_shape(where, spec, shape)
    if isinstance(data, bytes):
        return _viewed(where, data, sizes, spec.datatype).reshape(sizes)
    flat = _flattened(where, data, sizes)
    if len(flat) != prod(sizes):
        raise RequestError(f"{where}: {len(flat)} data elements where shape {list(sizes)} holds {prod(sizes)}")
    return _converted(where, flat, DTYPES[spec.datatype], spec.datatype).reshape(sizes)


def encode(name: str, array: Array) -> dict[str, object]:
    """The JSON tensor of `array`, ready for documents.dumps (flat, row-major, contiguous)."""
    return {
        "name": name,
        "datatype": DATATYPES[array.dtype],
        "shape": list(array.shape),
        "data": np.ascontiguousarray(array).reshape(-1),
    }


def _checked_shape(where: str, spec: TensorSpec, shape: object) -> tuple[int, ...]:
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise RequestError(f"{where}: shape {_shown(shape)} is not a list of integers")
    takes = f"the model takes {[-1, *spec.shape[1:]]}"
    if len(shape) != len(spec.shape):
        raise RequestError(f"{where}: shape {_shown(shape)} has {len(shape)} dimensions where {takes}")
    if any(size < 1 for size in shape):
        raise RequestError(f"{where}: shape {_shown(shape)} is empty; every dimension must be at least 1")
    if any(want not in (-1, size) for want, size in zip(spec.shape[1:], shape[1:], strict=True)):
        raise RequestError(f"{where}: shape {_shown(shape)} where {takes}")
    return tuple(shape)


def _flattened(where: str, data: object, shape: tuple[int, ...]) -> list[object]:
    """The elements in row-major order; V2 allows `data` flat or nested exactly like the shape."""
    if not isinstance(data, list):
        raise RequestError(f"{where}: data {_shown(data)} is not a list")
    sizes = [len(data)]
    while data and type(data[0]) is list:
        if any(type(row) is not list for row in data) or any(len(row) != len(data[0]) for row in data):
            raise RequestError(f"{where}: the nested data is ragged at depth {len(sizes)}")
        sizes.append(len(data[0]))
        if len(sizes) > len(shape):  # also bounds the work: JSON may nest a thousand deep
            raise RequestError(f"{where}: data is nested deeper than shape {list(shape)}")
        data = list(chain.from_iterable(data))
    if len(sizes) > 1 and tuple(sizes) != shape:
        raise RequestError(f"{where}: data nested as {sizes} where shape says {list(shape)}")
    return data


def _viewed(where: str, raw: bytes, sizes: tuple[int, ...], datatype: str) -> Array:
    dtype, count = DTYPES[datatype], prod(sizes)
    if len(raw) != count * dtype.itemsize:
        raise RequestError(
            f"{where}: {len(raw)} bytes where {datatype} of shape {list(sizes)} takes {count * dtype.itemsize}"
        )
    if dtype.kind == "b" and raw.strip(b"\0\1"):
        array = np.frombuffer(raw, np.uint8)
        index = int(np.flatnonzero(array > 1)[0])
        raise RequestError(f"{where}: element {index} is the byte {array[index]}; BOOL takes 0 or 1")
    array = np.frombuffer(raw, dtype)
    _check_finite(where, array, array, datatype)
    return array


def _converted(where: str, flat: list[Any], dtype: np.dtype[Any], datatype: str) -> Array:
    allowed, rule = _JSON_TYPES[dtype.kind]
    if not allowed.issuperset(map(type, flat)):
        index = next(i for i, value in enumerate(flat) if type(value) not in allowed)
        raise RequestError(f"{where}: element {index} is {_shown(flat[index])}; {datatype} takes {rule}")
    if dtype.kind in "iu":
        _check_range(where, flat, dtype, datatype)
    with np.errstate(over="ignore"):  # a number beyond the dtype becomes inf and is refused below
        array = np.array(flat, dtype=dtype)
    _check_finite(where, array, flat, datatype)
    return array


def _check_finite(where: str, array: Array, given: Sequence[object] | Array, datatype: str) -> None:
    """One rule for every wire: JSON cannot carry NaN or infinity, so raw contents may not either."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        index = int(np.flatnonzero(~np.isfinite(array))[0])
        raise RequestError(f"{where}: element {index} is {given[index]}; not finite in {datatype}")


def _check_range(where: str, flat: list[int], dtype: np.dtype[Any], datatype: str) -> None:
    bounds = np.iinfo(dtype)
    for value in (min(flat), max(flat)):
        if not bounds.min <= value <= bounds.max:
            raise RequestError(f"{where}: {value} is outside {datatype}, {bounds.min} to {bounds.max}")


def _shown(value: object) -> str:
    """`value` for an error text: reprlib bounds length and depth, where repr() of a deeply nested body raises."""
    return reprlib.repr(value)
