"""The requests of a load: samples from .npz files, encoded once."""

from __future__ import annotations

import zipfile
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipa.errors import ConfigError, Violation

KEEP_BODIES = 2_000
KEEP_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """`inputs`: float32 [N, …], finite; `labels`: [N], compared with the first output, never sent; None if unknown."""

    source: Path
    inputs: NDArray[np.float32]
    labels: NDArray[Any]


@dataclass(frozen=True, slots=True)
class InputTensor:
    """The single input of a model; `shape` without its first dimension, −1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def read_payloads(
    paths: Sequence[Path], configured: Path | None, default: Payload | None = None
) -> tuple[Payload, ...]:
    """The samples of `paths`, else of the configured file, else `default`. Raises ConfigError at the first bad one."""
    if not paths and configured is None and default is not None:
        return (default,)
    return tuple(map(read_payload, paths)) if paths else (read_payload(configured),)


def read_payload(path: Path | None) -> Payload:
    """The samples of `load: {payload: FILE.npz}`. Raises ConfigError with every broken rule."""
    if path is None:
        raise ConfigError("load.payload", [Violation("load.payload", "is needed: the .npz file to send")])
    arrays = _arrays(path)
    broken = [
        Violation(name, f"is missing; the file holds {sorted(arrays)}")
        for name in ("inputs", "labels")
        if name not in arrays
    ]
    broken = broken or _broken_rules(arrays["inputs"], arrays["labels"])
    if broken:
        raise ConfigError(str(path), broken)
    return Payload(path, np.ascontiguousarray(arrays["inputs"]), arrays["labels"])


def input_tensor(metadata: Mapping[str, Any], payload: Payload) -> InputTensor:
    """The input of V2 model metadata that `payload` is sent as. Raises ConfigError unless it fits."""
    source = str(payload.source)
    tensor = _single_input(metadata.get("inputs"), source)
    broken = []
    if tensor.datatype != "FP32":
        broken.append(Violation("inputs", f"is FP32, the model takes {tensor.datatype}"))
    sample = payload.inputs.shape[1:]
    sizes = zip(tensor.shape, sample, strict=False)
    if len(sample) != len(tensor.shape) or any(want not in (-1, size) for want, size in sizes):
        broken.append(Violation("inputs", f"has samples of shape {sample}, the model takes {tensor.shape}"))
    if broken:
        raise ConfigError(source, broken)
    return tensor


def _single_input(inputs: object, source: str) -> InputTensor:
    listed = inputs if isinstance(inputs, list) else []
    if len(listed) != 1:
        names = [tensor.get("name") if isinstance(tensor, dict) else tensor for tensor in listed]
        raise ConfigError(source, [Violation("inputs", f"the model must take one input, it takes {names}")])
    match listed[0]:
        case {"name": str(name), "datatype": str(datatype), "shape": [_, *shape]} if all(
            isinstance(size, int) for size in shape
        ):
            return InputTensor(name, datatype, tuple(shape))
    rule = f"the model's metadata gives {listed[0]!r:.80} where name, datatype and shape belong"
    raise ConfigError(source, [Violation("inputs", rule)])


def assumed_tensor(payload: Payload) -> InputTensor:
    """What to send to a model that does not say what it takes."""
    return InputTensor("input", "FP32", payload.inputs.shape[1:])


class Bodies:
    """body(i) is the encoded request of sample i, counted through all payloads in order; label(i) stays here. The first
    ones are encoded up front, at most KEEP_BODIES or KEEP_BYTES of them; the rest when asked for: samples are sent in
    turn, so a cache of the latest would never hit.
    """

    def __init__(self, payloads: Sequence[Payload], encode: Callable[[NDArray[np.float32]], bytes]) -> None:
        self._payloads = payloads
        self._encode = encode
        self._ends = list(accumulate(len(payload.inputs) for payload in payloads))
        self._labels = [label for payload in payloads for label in payload.labels.tolist()]
        self._kept = self._encode_first()

    def __len__(self) -> int:
        return self._ends[-1]

    def body(self, sample: int) -> bytes:
        return self._kept[sample] if sample < len(self._kept) else self._encode(self._row(sample))

    def label(self, sample: int) -> object:
        return self._labels[sample]

    def _row(self, sample: int) -> NDArray[np.float32]:
        which = bisect_right(self._ends, sample)
        inputs = self._payloads[which].inputs
        row: NDArray[np.float32] = inputs[sample - (self._ends[which] - len(inputs))]
        return row

    def _encode_first(self) -> list[bytes]:
        kept: list[bytes] = []
        size = 0
        while len(kept) < min(KEEP_BODIES, len(self)) and size < KEEP_BYTES:
            kept.append(self._encode(self._row(len(kept))))
            size += len(kept[-1])
        return kept


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream:  # np.load itself leaves a broken file open
            loaded = np.load(stream, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("it holds one bare array")
            return dict(loaded.items())
    except OSError as error:
        rule = error.strerror or "must be an .npz file"
        raise ConfigError(str(path), [Violation("load.payload", rule)]) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        rule = f"must be an .npz file without pickled objects ({error})"
        raise ConfigError(str(path), [Violation("load.payload", rule)]) from error


def _broken_rules(inputs: NDArray[Any], labels: NDArray[Any]) -> list[Violation]:
    broken = []
    if inputs.dtype != np.float32 or inputs.ndim < 1:
        broken.append(Violation("inputs", f"must be float32 [N, …], is {inputs.dtype} {inputs.shape}"))
    elif len(inputs) == 0:
        broken.append(Violation("inputs", "must hold at least one sample"))
    elif not np.isfinite(inputs).all():
        broken.append(Violation("inputs", "must be finite: JSON has no NaN or infinity"))
    if labels.shape != inputs.shape[:1]:
        broken.append(Violation("labels", f"must be one a sample, {inputs.shape[:1]}, is {labels.shape}"))
    return broken
