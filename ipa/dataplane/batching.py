"""Requests ↔ one batch: tensors are joined along the first axis and split back by rows. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate

import numpy as np

from ipa.dataplane.tensors import DATATYPES, Tensors, TensorSpec
from ipa.errors import ServingError


def kind(tensors: Tensors) -> Hashable:
    """Requests of one kind may share a batch: the same names, dtypes and shapes beyond the first dimension."""
    return tuple(sorted((name, array.dtype.str, array.shape[1:]) for name, array in tensors.items()))


def merge(requests: Sequence[Tensors]) -> Tensors:
    """One set of tensors with the rows of `requests` (all of one kind, at least one) in their order."""
    if len(requests) == 1:
        return requests[0]
    return {name: np.concatenate([tensors[name] for tensors in requests]) for name in requests[0]}


def split(tensors: Tensors, rows: Sequence[int]) -> list[Tensors]:
    """The tensors of each request, `rows[i]` rows for the i-th. Raises ServingError on another number of rows."""
    total = sum(rows)
    for name, array in tensors.items():
        if array.ndim == 0 or array.shape[0] != total:
            raise ServingError(f"output {name!r} has shape {list(array.shape)} for a batch of {total} rows")
    return [
        {name: array[end - count : end] for name, array in tensors.items()}
        for end, count in zip(accumulate(rows), rows, strict=True)
    ]


def promised(tensors: Tensors, outputs: Iterable[TensorSpec]) -> Tensors:
    """What the metadata lists as `outputs`. Raises ServingError if one is missing or of another datatype."""
    for spec in outputs:
        found = DATATYPES.get(tensors[spec.name].dtype) if spec.name in tensors else "nothing"
        if found != spec.datatype:
            raise ServingError(f"output {spec.name!r} is {found} where the metadata says {spec.datatype}")
    return {spec.name: tensors[spec.name] for spec in outputs}
