from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ipa.dataplane.tensors import DTYPES, RequestError, TensorSpec, decode, encode


def spec(datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec("x", datatype, shape)


@pytest.mark.parametrize("datatype", DTYPES)
@given(st.data())
def test_every_datatype_survives_json(datatype: str, data: st.DataObject) -> None:
    dtype = DTYPES[datatype]
    values = arrays.from_dtype(dtype)
    if dtype.kind == "f":
        values = arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=4))
    array = data.draw(arrays.arrays(dtype, shape, elements=values))
    sent = orjson.loads(orjson.dumps(encode("x", array), option=orjson.OPT_SERIALIZE_NUMPY))
    received = decode(spec(datatype, *(-1 for _ in shape)), sent["datatype"], sent["shape"], sent["data"])
    assert received.dtype == dtype
    np.testing.assert_array_equal(received, array)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP64", [1, 2], [1.0, 2.0], "datatype 'FP64' where the model takes FP32"),
        (None, [1, 2], [1.0, 2.0], "datatype None where the model takes FP32"),
        ("FP32", [1, 3], [1.0, 2.0, 3.0], r"shape \[1, 3\] where the model takes \[-1, 2\]"),
        ("FP32", [2], [1.0, 2.0], "has 1 dimensions where the model takes"),
        ("FP32", [0, 2], [], "every dimension must be at least 1"),
        ("FP32", [-1, 2], [1.0, 2.0], "every dimension must be at least 1"),
        ("FP32", [1.0, 2], [1.0, 2.0], "is not a list of integers"),
        ("FP32", [True, 2], [1.0, 2.0], "is not a list of integers"),
        ("FP32", "12", [1.0, 2.0], "is not a list of integers"),
        ("FP32", [10**18, 2], [1.0, 2.0], "2 data elements where shape"),
        ("FP32", [1, 2], [1.0], r"1 data elements where shape \[1, 2\] holds 2"),
        ("FP32", [1, 2], None, "data None is not a list"),
        ("FP32", [1, 2], {"0": 1}, "is not a list"),
        ("FP32", [1, 2], [1.0, "2"], "element 1 is '2'; FP32 takes finite numbers"),
        ("FP32", [1, 2], [1.0, None], "element 1 is None; FP32 takes finite numbers"),
        ("FP32", [1, 2], [True, 2.0], "element 0 is True; FP32 takes finite numbers"),
        ("FP32", [1, 2], [1.0, float("nan")], "element 1 is nan; not finite in FP32"),
        ("FP32", [1, 2], [1.0, 1e39], "element 1 is 1e.39; not finite in FP32"),
        ("FP32", [2, 2], [[1.0, 2.0], [3.0]], "ragged at depth 1"),
        ("FP32", [2, 2], [[1.0, 2.0], 3.0], "ragged at depth 1"),
        ("FP32", [2, 2], [1.0, [2.0], 3.0, 4.0], "element 1 is "),
        ("FP32", [1, 2], [[1.0], [2.0]], r"data nested as \[2, 1\] where shape says \[1, 2\]"),
        ("FP32", [1, 2], [[[1.0, 2.0]]], "nested deeper than shape"),
    ],
)
def test_a_broken_tensor_is_refused_by_name_and_rule(datatype: object, shape: Any, data: Any, says: str) -> None:
    with pytest.raises(RequestError, match=f"input 'x': .*{says}"):
        decode(spec("FP32", -1, 2), datatype, shape, data)


@pytest.mark.parametrize(
    ("datatype", "value", "says"),
    [
        ("UINT8", 256, "256 is outside UINT8, 0 to 255"),
        ("UINT8", -1, "-1 is outside UINT8, 0 to 255"),
        ("INT64", 2**63, "is outside INT64"),
        ("INT32", 1.0, "INT32 takes integers"),
        ("BOOL", 1, "BOOL takes true or false"),
        ("FP16", 70000, "not finite in FP16"),
    ],
)
def test_a_value_outside_its_datatype_is_refused(datatype: str, value: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        decode(spec(datatype, -1), datatype, [1], [value])


def test_bytes_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match="datatype BYTES is not supported"):
        decode(spec("BYTES", -1), "BYTES", [1], ["text"])


def test_nested_and_flat_data_are_the_same() -> None:
    nested = decode(spec("FP32", -1, 2), "FP32", [2, 2], [[1, 2], [3, 4]])
    flat = decode(spec("FP32", -1, 2), "FP32", [2, 2], [1, 2, 3, 4])
    np.testing.assert_array_equal(nested, flat)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_any_finite_values_are_taken(values: list[float]) -> None:
    assert decode(spec("FP32", -1), "FP32", [len(values)], values).tolist() == values


def test_an_error_text_stays_short_whatever_was_sent() -> None:
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    for shape, data in ([deep, [1]], [[1], deep], [[1], ["x" * 10**6]], [list(range(10**5)), [1]]):
        with pytest.raises(RequestError) as refused:
            decode(spec("FP32", -1), "FP32", shape, data)
        assert len(str(refused.value)) < 400
