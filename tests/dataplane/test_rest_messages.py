"""V2 over REST: JSON alone, and with raw tensors behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.dataplane.protocol import InferRequest, ModelMetadata
from ipa.dataplane.rest_messages import RestMessage, parse_request, response
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


def parsed(sent: bytes, json_bytes: int | None = None) -> InferRequest:
    return parse_request(RestMessage(sent, json_bytes), MODEL)


def test_a_request_becomes_arrays() -> None:
    request = parsed(body(id="7", parameters={"any": 1}))
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
        parsed(sent)


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
        request = parsed(sent)
    except RequestError:
        return
    assert request.tensors["image"].shape == (1, 2)
    assert np.isfinite(request.tensors["image"]).all()


@settings(max_examples=300)
@given(st.binary(max_size=60) | json_values.map(lambda value: orjson.dumps({"inputs": value, "id": value})))
def test_no_body_raises_anything_but_a_refusal(sent: bytes) -> None:
    with pytest.raises(RequestError):
        parsed(sent)


def answer_to(*outputs: str, request_id: str | None = None, score: float = 0.5) -> dict[str, Any]:
    request = InferRequest(request_id, {}, 1, outputs)
    tensors = {"label": np.array([4]), "score": np.array([[score, 0.1]], dtype=np.float32)}
    document: dict[str, Any] = orjson.loads(response(MODEL, request, tensors).body)
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


# --- the binary tensor extension -------------------------------------------------------------------------------

IMAGE_BYTES, SCALE_BYTES = np.array([1, 2], "<f4").tobytes(), np.array([3], "<i4").tobytes()


def raw(which: str, size: object, **changes: object) -> dict[str, object]:
    """The header of a tensor whose data follows the JSON."""
    described = tensor(which, parameters={"binary_data_size": size}) | changes
    return {key: value for key, value in described.items() if key != "data" or "data" in changes}


def message(*inputs: dict[str, object], tail: bytes = b"", **changes: object) -> tuple[bytes, int]:
    document = orjson.dumps({"inputs": list(inputs)} | changes)
    return document + tail, len(document)


@pytest.mark.parametrize(
    ("sent", "tail"),
    [
        ((raw("image", 8), raw("scale", 4)), IMAGE_BYTES + SCALE_BYTES),
        ((raw("scale", 4), raw("image", 8)), SCALE_BYTES + IMAGE_BYTES),
        ((tensor("image"), raw("scale", 4)), SCALE_BYTES),
        ((raw("image", 8), tensor("scale")), IMAGE_BYTES),
        ((tensor("image"), tensor("scale", parameters=None)), b""),
    ],
)
def test_raw_inputs_are_cut_from_the_tail_in_their_order(sent: tuple[dict[str, object], ...], tail: bytes) -> None:
    request = parsed(*message(*sent, tail=tail))
    assert request.tensors["image"].tolist() == [[1.0, 2.0]]
    assert request.tensors["scale"].tolist() == [3]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (message(raw("image", 8), raw("scale", 4), tail=IMAGE_BYTES), "scale': binary_data_size 4 where .* 0 bytes"),
        (message(raw("image", 8), raw("scale", 4), tail=IMAGE_BYTES * 2), "4 bytes are left"),
        (message(tensor(), tensor("scale"), tail=b"x"), "1 bytes are left in the body behind the last input"),
        (message(raw("image", 4), raw("scale", 8), tail=IMAGE_BYTES + SCALE_BYTES), "4 bytes where FP32 of shape"),
        (message(raw("image", -8), raw("scale", 4), tail=SCALE_BYTES), "binary_data_size -8"),
        (message(raw("image", True), raw("scale", 4), tail=SCALE_BYTES), "binary_data_size True"),
        (message(raw("image", "8"), raw("scale", 4), tail=IMAGE_BYTES + SCALE_BYTES), "binary_data_size '8'"),
        (message(raw("image", 8, data=[1, 2]), tail=IMAGE_BYTES), "has data and binary_data_size"),
        (message(tensor(parameters=[])), "parameters must be an object, not list"),
        (message(tensor(), tensor("scale"), parameters="x"), "parameters must be an object, not str"),
        ((body(), 10_000), "Inference-Header-Content-Length is 10000 in a body of"),
        ((body(), 5), "not JSON"),
        ((body(), 0), "not JSON"),
        (message(raw("image", 8), tensor("scale"), tail=np.array([1, np.nan], "<f4").tobytes()), "not finite in FP32"),
    ],
)
def test_a_broken_tail_is_refused_by_rule(sent: tuple[bytes, int], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        parsed(*sent)


@settings(max_examples=300)
@given(st.integers(0, 200), json_values, st.binary(max_size=20))
def test_no_tail_raises_anything_but_a_refusal(json_bytes: int, size: Any, tail: bytes) -> None:
    sent, own = message(raw("image", size), tensor("scale"), tail=tail)
    for length in (json_bytes, own):
        try:
            request = parsed(sent, length)
        except RequestError:
            continue
        assert request.tensors["image"].tobytes() == tail


@pytest.mark.parametrize(
    ("asked", "sent_raw"),
    [
        ({}, []),
        ({"parameters": {"binary_data_output": True}}, ["label", "score"]),
        ({"outputs": [{"name": "score", "parameters": {"binary_data": True}}]}, ["score"]),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "score", "parameters": {"binary_data": False}}, {"name": "label"}],
            },
            ["label"],
        ),
    ],
)
def test_outputs_are_raw_as_the_client_asks(asked: dict[str, object], sent_raw: list[str]) -> None:
    request = parsed(body(**asked))
    tensors = {"label": np.array([4]), "score": np.array([[np.nan, 0.25]], dtype=np.float32)}
    if "score" not in sent_raw:
        tensors["score"][0, 0] = 0.5  # JSON cannot carry NaN; raw contents can
    answer = response(MODEL, request, tensors)
    json_bytes = len(answer.body) if answer.json_bytes is None else answer.json_bytes
    outputs, at = orjson.loads(answer.body[:json_bytes])["outputs"], json_bytes
    assert [output["name"] for output in outputs if "parameters" in output] == sent_raw
    for output in outputs:
        if output["name"] in sent_raw:
            size = output["parameters"]["binary_data_size"]
            assert answer.body[at : at + size] == tensors[output["name"]].tobytes()
            assert "data" not in output
            at += size
        else:
            assert output["data"] == tensors[output["name"]].reshape(-1).tolist()
    assert at == len(answer.body)
    assert (answer.json_bytes is None) == (sent_raw == [])
