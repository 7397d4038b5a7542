"""A model file, one compressed JSON document: what was trained, on which seconds of which counts, how well it fits.

predictor, version, seed, horizons_s, dampings, window_s, split, counts_sha256, made_with,
errors    horizon → [[p, z], …]: on the seconds held back, the truth was below point + z · scale with share p
payload   what the predictor itself makes of it
sha256    of all the above: a file that was damaged or edited is refused
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from ipa.errors import ConfigError, Violation
from ipa.forecast.outlook import Errors, IntArray

VERSION = 1
LARGEST_BYTES = 50_000_000

Built = TypeVar("Built")


@dataclass(frozen=True, slots=True)
class Split:
    """Seconds of a trace: fitted to [start_s, held_back_s), stopped and measured on [held_back_s, end_s)."""

    start_s: int
    held_back_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """`counts_sha256`: of the counts of the whole split, see `digest`. `errors`: for each trained horizon."""

    predictor: str
    seed: int
    horizons_s: tuple[int, ...]
    dampings: tuple[int, ...]
    window_s: int
    split: Split
    counts_sha256: str
    made_with: str
    errors: Mapping[int, Errors]
    payload: Mapping[str, Any]

    def errors_at(self, horizon_s: float) -> Errors:
        """Of the trained horizon nearest to it, by ratio."""
        return self.errors[min(self.horizons_s, key=lambda each: abs(np.log(each / max(horizon_s, 1e-9))))]


def digest(counts: IntArray) -> str:
    """SHA-256 of counts as 64-bit little-endian integers."""
    return hashlib.sha256(np.ascontiguousarray(counts, dtype="<i8").tobytes()).hexdigest()


def serialise(model: ModelFile) -> bytes:
    """The same bytes for the same model."""
    document = {"version": VERSION, **asdict(model)}
    document["errors"] = {str(horizon_s): errors for horizon_s, errors in model.errors.items()}
    document["sha256"] = _seal(document)
    return gzip.compress(_canonical(document), compresslevel=9, mtime=0)


def parse(content: bytes | None, predictor: str) -> ModelFile:
    """Raises ConfigError: no model file at all, of another predictor or version, damaged, or not what it should be."""
    if content is None:
        raise _refused(predictor, "content", "is missing: this predictor needs a model file (`ipa forecast train`)")
    document = _document(content, predictor)
    for key, expected in (("predictor", predictor), ("version", VERSION)):
        if document.get(key) != expected:
            raise _refused(predictor, key, f"{str(document.get(key))[:40]!r} must be {expected!r}")
    sealed = document.pop("sha256", None)
    if sealed != (seal := _seal(document)):
        raise _refused(
            predictor, "sha256", f"{str(sealed)[:12]!r}… must be {seal[:12]!r}…: the file was damaged or edited"
        )
    try:
        return _model(document)
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(predictor, "content", f"must be as `ipa forecast train` writes it ({error!r})") from error


def built(model: ModelFile, build: Callable[[Mapping[str, Any]], Built]) -> Built:
    """What `build` makes of the payload. Raises ConfigError where it cannot."""
    try:
        return build(model.payload)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _refused(model.predictor, "payload", f"must be as `ipa forecast train` writes it ({error!r})") from error


def _model(document: Mapping[str, Any]) -> ModelFile:
    return ModelFile(
        predictor=document["predictor"],
        seed=int(document["seed"]),
        horizons_s=_ascending(document["horizons_s"]),
        dampings=_ascending(document["dampings"]),
        window_s=int(document["window_s"]),
        split=Split(**document["split"]),
        counts_sha256=str(document["counts_sha256"]),
        made_with=str(document["made_with"]),
        errors={int(horizon_s): _errors(document["errors"][str(horizon_s)]) for horizon_s in document["horizons_s"]},
        payload=dict(document["payload"]),
    )


def _ascending(values: Sequence[int]) -> tuple[int, ...]:
    found = tuple(int(value) for value in values)
    if not found or found[0] < 1 or sorted(set(found)) != list(found):
        raise ValueError(f"{values} must be whole numbers ≥ 1, ascending")
    return found


def _errors(pairs: Sequence[Sequence[float]]) -> Errors:
    found = tuple((float(p), float(z)) for p, z in pairs)
    p, z = np.array(found).T
    if not (np.isfinite(found).all() and (np.diff(p) > 0).all() and (np.diff(z) >= 0).all() and p[0] > 0 and p[-1] < 1):
        raise ValueError("errors must be finite and ascending")
    return found


def _document(content: bytes, predictor: str) -> dict[str, Any]:
    try:
        text = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, LARGEST_BYTES)
        document = json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        raise _refused(predictor, "content", f"must be compressed JSON ({error})") from error
    if not isinstance(document, dict):
        raise _refused(predictor, "content", f"must be a JSON object, not a {type(document).__name__}")
    return document


def _seal(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(document)).hexdigest()


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _refused(predictor: str, key: str, rule: str) -> ConfigError:
    return ConfigError(f"{predictor} model file", [Violation(key, rule)])
