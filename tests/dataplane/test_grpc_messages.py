"""V2 over gRPC: raw and typed contents become the same arrays; what is wrong with either is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from ipa.dataplane.grpc_messages import metadata, parse_request, response
from ipa.dataplane.protocol import InferRequest, ModelMetadata
from ipa.dataplane.tensors import DTYPES, RequestError, TensorSpec

IMAGE, SCALE = TensorSpec("image", "FP32", (-1, 2)), TensorSpec("scale", "INT8", (-1,))
LABEL, SCORE = TensorSpec("label", "INT64", (-1,)), TensorSpec("score", "FP16", (4, 2))
MODEL = ModelMetadata("pipe", (IMAGE, SCALE), (LABEL, SCORE))

FIELDS = {
    "BOOL": "bool_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
} | {f"{sign}INT{bits}": f"{sign.lower()}int_contents" for sign in ("", "U") for bits in (8, 16, 32)}


def request(*raw: bytes, image: Any = None, scale: Any = None, **fields: Any) -> Any:
    """Both inputs with one row: with `raw` contents, or with the typed ones given, by field."""
    message = service_pb2.ModelInferRequest(model_name="pipe", **fields)
    message.inputs.add(name="image", datatype="FP32", shape=[1, 2], contents=image)
    message.inputs.add(name="scale", datatype="INT8", shape=[1], contents=scale)
    message.raw_input_contents.extend(raw)
    return message


IMAGE_BYTES, SCALE_BYTES = np.array([1, 2], "<f4").tobytes(), b"\x03"
TYPED: Any = {"image": {"fp32_contents": [1, 2]}, "scale": {"int_contents": [3]}}


@pytest.mark.parametrize("message", [request(IMAGE_BYTES, SCALE_BYTES, id="7"), request(**TYPED, id="7")])
def test_raw_and_typed_contents_become_the_same_arrays(message: Any) -> None:
    parsed = parse_request(message, MODEL)
    assert (parsed.id, parsed.rows, parsed.outputs) == ("7", 1, ("label", "score"))
    assert parsed.tensors["image"].tolist() == [[1.0, 2.0]]
    assert parsed.tensors["scale"].tolist() == [3]
    assert parsed.tensors["scale"].dtype == np.int8


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (request(IMAGE_BYTES), "1 raw_input_contents for 2 inputs"),
        (request(IMAGE_BYTES, SCALE_BYTES, b""), "3 raw_input_contents for 2 inputs"),
        (request(IMAGE_BYTES, SCALE_BYTES, **TYPED), "input 'image': has contents beside raw_input_contents"),
        (request(IMAGE_BYTES[:-1], SCALE_BYTES), "'image': 7 bytes where FP32 of shape .1, 2. takes 8"),
        (request(IMAGE_BYTES, b""), "'scale': 0 bytes where INT8"),
        (request(), "'image': 0 data elements where shape"),
        (request(**TYPED | {"image": {"fp32_contents": [1]}}), "1 data elements where shape .1, 2. holds 2"),
        (request(**TYPED | {"scale": {"int_contents": [200]}}), "200 is outside INT8"),
        (request(**TYPED | {"image": {"fp64_contents": [1, 2]}}), "FP32 belongs in fp32_contents, not in fp64"),
        (
            request(**TYPED | {"image": {"fp32_contents": [1, 2], "bool_contents": [True]}}),
            "FP32 belongs in fp32_contents, not in bool_contents, fp32_contents",
        ),
        (request(**TYPED | {"image": {"fp32_contents": [1, float("inf")]}}), "element 1 is inf; not finite in FP32"),
        (request(np.array([np.nan, 1], "<f4").tobytes(), SCALE_BYTES), "element 0 is nan; not finite in FP32"),
        (request(IMAGE_BYTES, SCALE_BYTES, outputs=[{"name": "other"}]), "unknown output 'other'"),
        (request(IMAGE_BYTES, SCALE_BYTES, inputs=[{"name": "image"}]), "2 raw_input_contents for 3 inputs"),
        (request(**TYPED, inputs=[{"name": "image", "datatype": "FP16"}]), "'FP16' has no typed contents; send it raw"),
        (service_pb2.ModelInferRequest(), "input 'image' is missing"),
    ],
)
def test_a_broken_request_is_refused_by_rule(message: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        parse_request(message, MODEL)


def test_an_output_is_asked_for_by_name() -> None:
    asked = [{"name": "score"}, {"name": "score"}]
    assert parse_request(request(**TYPED, outputs=asked), MODEL).outputs == ("score",)


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_datatype_travels(datatype: str) -> None:
    model = ModelMetadata("m", (TensorSpec("t", datatype, (-1,)),), (TensorSpec("t", datatype, (-1,)),))
    values = np.array([0, 1, 1], DTYPES[datatype])
    raw = service_pb2.ModelInferRequest(raw_input_contents=[values.tobytes()])
    raw.inputs.add(name="t", datatype=datatype, shape=[3])
    messages = [raw]
    if datatype in FIELDS:
        typed = service_pb2.ModelInferRequest()
        contents = {FIELDS[datatype]: values.tolist()}
        typed.inputs.add(name="t", datatype=datatype, shape=[3], contents=contents)
        messages.append(typed)
    assert len(messages) == 2 or datatype == "FP16"
    for message in messages:
        parsed = parse_request(message, model)
        assert parsed.tensors["t"].dtype == values.dtype
        assert parsed.tensors["t"].tolist() == values.tolist()
        answer = response(model, parsed, parsed.tensors)
        assert (answer.outputs[0].datatype, list(answer.raw_output_contents)) == (datatype, [values.tobytes()])


def test_a_byte_that_is_no_boolean_is_named() -> None:
    model = ModelMetadata("m", (TensorSpec("t", "BOOL", (-1,)),), (LABEL,))
    raw = service_pb2.ModelInferRequest(raw_input_contents=[b"\0\1\7\1"])
    raw.inputs.add(name="t", datatype="BOOL", shape=[4])
    with pytest.raises(RequestError, match="element 2 is the byte 7; BOOL takes 0 or 1"):
        parse_request(raw, model)


def test_the_answer_is_raw_and_leaves_out_what_no_branch_gave() -> None:
    tensors = {"score": np.array([[np.inf, 0.5]], np.float16)}
    answer = response(MODEL, InferRequest("7", {}, 1, ("label", "score")), tensors)
    (output,) = answer.outputs
    assert (answer.model_name, answer.id) == ("pipe", "7")
    assert (output.name, output.datatype, list(output.shape)) == ("score", "FP16", [1, 2])
    assert list(answer.raw_output_contents) == [tensors["score"].tobytes()]


def test_metadata_leaves_the_first_dimension_free() -> None:
    answer = metadata(MODEL)
    assert (answer.name, answer.platform, list(answer.versions)) == ("pipe", "ipa", [])
    assert [(t.name, t.datatype, list(t.shape)) for t in answer.outputs] == [
        ("label", "INT64", [-1]),
        ("score", "FP16", [-1, 2]),
    ]


@settings(max_examples=300)
@given(
    st.sampled_from(["FP32", "INT8", "BYTES", "", "fp32"]),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3), max_size=3),
    st.binary(max_size=9),
)
def test_no_header_gets_past_the_rules(datatype: str, shape: list[int], raw: bytes) -> None:
    message = request(raw, SCALE_BYTES)
    message.inputs[0].MergeFrom(type(message.inputs[0])(datatype=datatype))
    message.inputs[0].shape[:] = shape
    try:
        parsed = parse_request(message, MODEL)
    except RequestError:
        return
    assert parsed.tensors["image"].tobytes() == raw
    assert parsed.tensors["image"].shape == (1, 2)
