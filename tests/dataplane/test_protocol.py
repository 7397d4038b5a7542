from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.dataplane.protocol import (
    InferRequest,
    ModelMetadata,
    check_model,
    parse_request,
    response,
)
from ipa.dataplane.tensors import RequestError, TensorSpec
from ipa.errors import ServingError

IMAGE, SCALE = TensorSpec("image", "FP32", (-1, 2)), TensorSpec("scale", "INT32", (-1,))
LABEL, SCORE = TensorSpec("label", "INT64", (-1,)), TensorSpec("score", "FP32", (-1, 2))
MODEL = ModelMetadata("pipe", (IMAGE, SCALE), (LABEL, SCORE))


def tensor(which: str = "image", **changes: object) -> dict[str, object]:
    tensors: dict[str, dict[str, object]] = {
        "image": {"name": "image", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
        "scale": {"name": "scale", "datatype": "INT32", "shape": [1], "data": [3]},
    }
    return tensors[which] | changes


def body(**changes: object) -> bytes:
    return orjson.dumps({"inputs": [tensor(), tensor("scale")]} | changes)


def test_a_request_becomes_arrays() -> None:
    request = parse_request(body(id="7", parameters={"any": 1}), MODEL)
    assert (request.id, request.rows, request.outputs) == ("7", 1, ("label", "score"))
    assert request.tensors["image"].tolist() == [[1.0, 2.0]]
    assert request.tensors["scale"].tolist() == [3]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "not JSON"),
        (b"x=1&y=2", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"inputs": NaN}', "not JSON"),
        (b"[]", "must be a JSON object, not list"),
        (b"{}", "inputs must be a list"),
        (b'{"inputs": []}', "input 'image' is missing"),
        (b'{"inputs": [3]}', "every input must be an object with a name"),
        (body(inputs=[tensor()]), "input 'scale' is missing"),
        (body(inputs=[tensor(), tensor()]), "input 'image' is given twice"),
        (body(inputs=[tensor(name="other")]), "unknown input 'other'; the model has"),
        (body(inputs=[tensor(), tensor("scale", shape=[2], data=[1, 2])]), "inputs differ in rows"),
        (body(id=3), "id must be a string, not int"),
        (body(outputs={}), "outputs must be a list"),
        (body(outputs=["label"]), "every output must be an object with a name"),
        (body(outputs=[{"name": "other"}]), "unknown output 'other'; the model has"),
    ],
)
def test_a_broken_request_is_refused_by_rule(sent: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        parse_request(sent, MODEL)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(["name", "datatype", "shape", "data"]), json_values)
def test_no_value_of_any_field_gets_past_the_rules(field: str, value: Any) -> None:
    sent = body(inputs=[tensor(**{field: value}), tensor("scale")])
    try:
        request = parse_request(sent, MODEL)
    except RequestError:
        return
    assert request.tensors["image"].shape == (1, 2)
    assert np.isfinite(request.tensors["image"]).all()


@settings(max_examples=300)
@given(st.binary(max_size=60) | json_values.map(lambda value: orjson.dumps({"inputs": value, "id": value})))
def test_no_body_raises_anything_but_a_refusal(sent: bytes) -> None:
    with pytest.raises(RequestError):
        parse_request(sent, MODEL)


def answer_to(*outputs: str, request_id: str | None = None, score: float = 0.5) -> dict[str, Any]:
    request = InferRequest(request_id, {}, 1, outputs)
    tensors = {"label": np.array([4]), "score": np.array([[score, 0.1]], dtype=np.float32)}
    document: dict[str, Any] = orjson.loads(response(MODEL, request, tensors))
    return document


def test_the_answer_is_v2() -> None:
    assert answer_to("label", "score", request_id="a") == {
        "model_name": "pipe",
        "id": "a",
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [1], "data": [4]},
            {"name": "score", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 0.1]},
        ],
    }


def test_only_the_outputs_asked_for_are_sent() -> None:
    assert [output["name"] for output in answer_to("score")["outputs"]] == ["score"]


def test_an_output_json_cannot_carry_is_an_error_not_a_null() -> None:
    with pytest.raises(ServingError, match="output 'score' holds NaN or infinity"):
        answer_to("score", score=float("nan"))


def test_an_output_of_a_branch_that_was_not_taken_is_left_out() -> None:
    assert [output["name"] for output in answer_to("missing", "label")["outputs"]] == ["label"]


def test_metadata_leaves_the_first_dimension_free() -> None:
    model = ModelMetadata("pipe", (TensorSpec("x", "FP32", (8, 3)),), (LABEL,))
    assert model.as_json()["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (ModelMetadata("m", (), (LABEL,)), "lists no input"),
        (ModelMetadata("m", (IMAGE,), ()), "lists no output"),
        (ModelMetadata("m", (TensorSpec("t", "BYTES", (-1,)),), (LABEL,)), "input 't' is BYTES"),
        (ModelMetadata("m", (IMAGE,), (TensorSpec("t", "FP32", ()),)), "no first dimension"),
    ],
)
def test_a_model_that_cannot_be_routed_is_named(model: ModelMetadata, says: str) -> None:
    with pytest.raises(ServingError, match=says):
        check_model(model, "replica 'a'")
