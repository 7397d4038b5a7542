"""The samples of a load, and the bodies they become."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipa.adapters import payload as module
from ipa.adapters.load_http import encode
from ipa.adapters.payload import Bodies, InputTensor, Payload, assumed_tensor, input_tensor, read_payload, read_payloads
from ipa.errors import ConfigError

INPUTS = np.arange(12, dtype=np.float32).reshape(3, 2, 2) / 7


def _payload(inputs: Any = INPUTS) -> Payload:
    return Payload(Path("p.npz"), inputs, np.arange(len(inputs)))


def _metadata(*shape: int, datatype: str = "FP32") -> dict[str, Any]:
    return {"inputs": [{"name": "image", "datatype": datatype, "shape": list(shape)}]}


def test_a_good_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", inputs=INPUTS, labels=[4, 5, 6], more=[1])
    payload = read_payload(tmp_path / "p.npz")
    assert np.array_equal(payload.inputs, INPUTS)
    assert payload.labels.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("arrays", "rule"),
    [
        ({"inputs": INPUTS}, "labels: is missing"),
        ({"labels": [1]}, "inputs: is missing"),
        ({"inputs": INPUTS.astype(float), "labels": [1, 2, 3]}, "must be float32"),
        ({"inputs": INPUTS, "labels": [1, 2]}, "labels: must be one a sample"),
        ({"inputs": INPUTS[:0], "labels": []}, "at least one sample"),
        ({"inputs": INPUTS * np.float32("nan"), "labels": [1, 2, 3]}, "must be finite"),
        ({"inputs": INPUTS, "labels": np.array([None] * 3)}, "without pickled objects"),
    ],
)
def test_a_bad_file_is_named_with_its_rule(tmp_path: Path, arrays: dict[str, Any], rule: str) -> None:
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(ConfigError, match=rule) as error:
        read_payload(tmp_path / "p.npz")
    assert "p.npz" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04broken"])
def test_no_npz_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"must be an \.npz file"):
        read_payload(tmp_path / "p.npz")


def test_a_bare_array_a_missing_file_and_none(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", INPUTS)
    with pytest.raises(ConfigError, match="one bare array"):
        read_payload(tmp_path / "p.npy")
    with pytest.raises(ConfigError, match="No such file"):
        read_payload(tmp_path / "none.npz")
    with pytest.raises(ConfigError, match=r"load\.payload: is needed"):
        read_payload(None)


@pytest.mark.parametrize("shape", [(-1, 2, 2), (-1, -1, 2)])
def test_what_fits(shape: tuple[int, ...]) -> None:
    assert input_tensor(_metadata(*shape), _payload()) == InputTensor("image", "FP32", shape[1:])


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        (_metadata(-1, 2, 3), "the model takes"),
        (_metadata(-1, 4), "the model takes"),
        (_metadata(-1, 2, 2, datatype="INT64"), "the model takes INT64"),
        ({"inputs": []}, "must take one input"),
        ({}, "must take one input"),
        ({"inputs": "image"}, "must take one input"),
        ({"inputs": [3]}, "metadata gives 3 where"),
        ({"inputs": [{"name": "image", "datatype": "FP32"}]}, "where name, datatype and shape belong"),
        ({"inputs": [{"name": "image", "datatype": "FP32", "shape": []}]}, "where name, datatype and shape belong"),
        ({"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, "2"]}]}, "metadata gives"),
        ({"inputs": _metadata(-1)["inputs"] * 2}, "must take one input"),
    ],
)
def test_what_does_not_fit(metadata: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        input_tensor(metadata, _payload())


def test_bodies_are_v2_json_of_exactly_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_BODIES", 2)  # the third is encoded when asked for
    payload = _payload()
    bodies = Bodies([payload], partial(encode, "digits", assumed_tensor(payload)))
    for sample in (2, 0, 1, 2):
        (tensor,) = json.loads(bodies.body(sample))["inputs"]
        assert (tensor["name"], tensor["datatype"], tensor["shape"]) == ("input", "FP32", [1, 2, 2])
        assert np.array_equal(np.array(tensor["data"], dtype=np.float32), INPUTS[sample].reshape(-1))


def test_samples_and_labels_count_through_all_files_in_order(tmp_path: Path) -> None:
    """The files may differ in shape where the model leaves it open: every request is a sample of its own."""
    np.savez(tmp_path / "a.npz", inputs=INPUTS, labels=[4, 5, 6])
    np.savez(tmp_path / "b.npz", inputs=INPUTS[:1, :1] * 2, labels=["seven"])
    payloads = read_payloads([tmp_path / "a.npz", tmp_path / "b.npz"], tmp_path / "configured.npz")
    bodies = Bodies(payloads, lambda row: row.tobytes())
    assert len(bodies) == 4
    assert [bodies.label(sample) for sample in range(4)] == [4, 5, 6, "seven"]
    assert [bodies.body(sample) for sample in range(3)] == [row.tobytes() for row in INPUTS]
    assert bodies.body(3) == (INPUTS[0, :1] * 2).tobytes()


def test_without_files_the_configured_one_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "configured.npz", inputs=INPUTS, labels=[4, 5, 6])
    (payload,) = read_payloads([], tmp_path / "configured.npz")
    assert payload.labels.tolist() == [4, 5, 6]
    with pytest.raises(ConfigError, match=r"load\.payload: is needed"):
        read_payloads([], None)


def test_the_default_is_sent_if_nobody_names_a_file(tmp_path: Path) -> None:
    default = Payload(Path("zeros"), np.zeros((1, 1), np.float32), np.array([None]))
    assert read_payloads([], None, default) == (default,)
    np.savez(tmp_path / "configured.npz", inputs=INPUTS, labels=[4, 5, 6])
    (payload,) = read_payloads([], tmp_path / "configured.npz", default)
    assert payload.labels.tolist() == [4, 5, 6]
