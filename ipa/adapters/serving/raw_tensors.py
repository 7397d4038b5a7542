"""gRPC raw contents ↔ arrays, without a Python object per number.

MLServer 1.7 unpacks raw contents into lists with `struct` before a model sees them, and packs its answer from
lists (mlserver/raw.py), which costs more than running a small model. `install` puts these two functions in
their place; they keep the contract of mlserver.raw, but hand over arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mlserver.codecs.numpy import to_dtype
from mlserver.errors import InferenceError
from mlserver.grpc import converters
from mlserver.types import TensorData


def install() -> None:
    """Make MLServer's gRPC server in this process use arrays. mlserver is pinned to 1.7 for this."""
    converters.inject_raw = inject_raw
    converters.extract_raw = extract_raw


def inject_raw(tensors: list[Any], raw_contents: list[bytes]) -> list[Any]:
    """Each tensor gets the array of its raw contents, read-only. Raises InferenceError (400) on a wrong size."""
    if len(tensors) != len(raw_contents):
        raise InferenceError(f"{len(tensors)} inputs but {len(raw_contents)} raw contents")
    for tensor, raw in zip(tensors, raw_contents, strict=True):
        tensor.data = TensorData.model_construct(root=_array(tensor, raw))
    return tensors


def _array(tensor: Any, raw: bytes) -> np.ndarray:
    if tensor.datatype == "BYTES":
        raise InferenceError(f"input {tensor.name!r} is BYTES: only numbers and booleans are served")
    try:
        return np.frombuffer(raw, to_dtype(tensor)).reshape(tensor.shape)
    except ValueError as error:
        wanted = f"{tensor.datatype}{tensor.shape}"
        raise InferenceError(f"input {tensor.name!r}: {len(raw)} bytes do not hold {wanted}") from error


def extract_raw(tensors: list[Any]) -> tuple[list[Any], list[bytes]]:
    """The tensors without data, and the raw contents that go beside them."""
    raw = [np.ascontiguousarray(tensor.data.root).tobytes() for tensor in tensors]
    for tensor in tensors:
        tensor.data = []
    return tensors, raw
