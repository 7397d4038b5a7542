from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.dataplane.batching import kind, merge, split
from ipa.dataplane.tensors import Array
from ipa.errors import ServingError
from tests.dataplane.fakes import rows


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5), min_size=1, max_size=8))
def test_what_is_merged_splits_into_the_same(requests: list[list[float]]) -> None:
    tensors = [rows(*values) for values in requests]
    parts = split(merge(tensors), [len(values) for values in requests])
    for part, sent in zip(parts, tensors, strict=True):
        np.testing.assert_array_equal(part["x"], sent["x"])


@pytest.mark.parametrize("answer", [np.zeros((2, 2)), np.zeros((4, 2)), np.zeros(())])
def test_another_number_of_rows_is_an_error(answer: Array) -> None:
    with pytest.raises(ServingError, match="for a batch of 3 rows"):
        split({"y": answer}, [1, 2])


def test_kinds_differ_by_name_dtype_and_inner_shape_but_not_by_rows() -> None:
    plain = {"x": np.zeros((1, 2), np.float32)}
    assert kind(plain) == kind({"x": np.zeros((5, 2), np.float32)})
    assert kind(plain) != kind({"y": np.zeros((1, 2), np.float32)})
    assert kind(plain) != kind({"x": np.zeros((1, 2), np.float64)})
    assert kind(plain) != kind({"x": np.zeros((1, 3), np.float32)})
