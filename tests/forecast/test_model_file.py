"""Model files: written and read again; every damage is refused with its reason."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.errors import ConfigError
from ipa.forecast.model_file import digest, parse, serialise
from tests.forecast.models import lstm_model

CONTENT = serialise(lstm_model())


def edited(**changes: Any) -> bytes:
    return gzip.compress(json.dumps({**json.loads(gzip.decompress(CONTENT)), **changes}).encode())


def test_what_is_written_is_read_again() -> None:
    assert parse(CONTENT, "lstm") == lstm_model()
    assert serialise(parse(CONTENT, "lstm")) == CONTENT


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "needs a model file"),
        (b"", "must be compressed JSON"),
        (b"{}", "must be compressed JSON"),
        (gzip.compress(b"no"), "must be compressed JSON"),
        (gzip.compress(b"[" * 100_000), "must be compressed JSON"),
        (gzip.compress(b"[1]"), "must be a JSON object, not a list"),
        (CONTENT[:-200], "content: must be compressed JSON"),
        (edited(predictor="lightgbm"), "predictor: 'lightgbm' must be 'lstm'"),
        (edited(version=2), "version: '2' must be 1"),
        (edited(seed=5), "the file was damaged or edited"),
        (edited(sha256=None), "the file was damaged or edited"),
        (edited(payload={}), "the file was damaged or edited"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_file_that_does_not_fit_is_refused(content: bytes | None, rule: str) -> None:
    with pytest.raises(ConfigError, match="lstm model file") as refused:
        parse(content, "lstm")
    assert rule in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"horizons_s": ()},
        {"horizons_s": (0,)},
        {"dampings": (8, 1)},
        {"errors": {20: ((0.5, 0.0), (0.4, 1.0))}},
        {"errors": {20: ((0.5, float("nan")),)}},
        {"errors": {}},
        {"window_s": "long"},
    ],
    ids=str,
)
def test_a_sealed_file_of_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be as `ipa forecast train` writes it"):
        parse(serialise(replace(lstm_model(), **changes)), "lstm")


@given(at=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=200)
def test_a_flipped_bit_is_harmless_or_refused(at: int, bit: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[at] ^= 1 << bit
    try:
        found = parse(bytes(damaged), "lstm")
    except ConfigError:
        return
    assert found == lstm_model()  # what gzip says of itself, its time and system, may change


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_refused(content: bytes) -> None:
    for each in (content, gzip.compress(content)):
        with pytest.raises(ConfigError):
            parse(each, "lstm")


def test_the_digest_is_of_the_counts() -> None:
    counts = np.arange(100)
    assert digest(counts) == digest(counts.astype(np.int32)) != digest(counts[1:])


def test_the_errors_are_those_of_the_nearest_horizon() -> None:
    errors = {20: ((0.5, 0.0),), 60: ((0.5, 1.0),)}
    model = replace(lstm_model(), horizons_s=(20, 60), errors=errors)
    found = [model.errors_at(horizon_s)[0][1] for horizon_s in (0.0, 20.0, 34.0, 35.0, 600.0)]
    assert found == [0.0, 0.0, 0.0, 1.0, 1.0]
