from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.dataplane.batching import kind, merge, promised, split
from ipa.dataplane.tensors import DTYPES, Array, TensorSpec
from ipa.errors import ServingError
from tests.dataplane.fakes import rows


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5), min_size=1, max_size=8))
def test_what_is_merged_splits_into_the_same(requests: list[list[float]]) -> None:
    tensors = [rows(*values) for values in requests]
    parts = split(merge(tensors), [len(values) for values in requests])
    for part, sent in zip(parts, tensors, strict=True):
        np.testing.assert_array_equal(part["x"], sent["x"])


inner_shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
columns = st.dictionaries(st.sampled_from("xyz"), st.tuples(st.sampled_from(list(DTYPES)), inner_shapes), min_size=1)


@given(columns, st.lists(st.integers(1, 4), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_datatypes_and_shapes_survive_a_batch_bit_for_bit(
    names: dict[str, tuple[str, tuple[int, ...]]], row_counts: list[int], random: Random
) -> None:
    def tensor(rows: int, datatype: str, inner: tuple[int, ...]) -> Array:
        size = int(np.prod((rows, *inner))) * DTYPES[datatype].itemsize
        raw = bytes(random.randrange(2 if datatype == "BOOL" else 256) for _ in range(size))
        return np.frombuffer(raw, DTYPES[datatype]).reshape(rows, *inner)

    requests = [{name: tensor(rows, *each) for name, each in names.items()} for rows in row_counts]
    assert len({kind(request) for request in requests}) == 1
    parts = split(promised(merge(requests), specs(names)), row_counts)
    for part, sent in zip(parts, requests, strict=True):
        assert set(part) == set(sent)
        for name, array in part.items():
            assert (array.dtype, array.shape) == (sent[name].dtype, sent[name].shape)
            assert array.tobytes() == sent[name].tobytes()


def specs(names: dict[str, tuple[str, tuple[int, ...]]]) -> list[TensorSpec]:
    return [TensorSpec(name, datatype, (-1, *inner)) for name, (datatype, inner) in names.items()]


def test_what_the_metadata_does_not_list_is_left_out_and_what_it_lists_must_be_there() -> None:
    answer: dict[str, Array] = {"y": np.zeros((1, 2), np.float32), "spare": np.zeros(1)}
    assert list(promised(answer, [TensorSpec("y", "FP32", (-1, 2))])) == ["y"]
    with pytest.raises(ServingError, match="output 'z' is nothing where the metadata says FP32"):
        promised(answer, [TensorSpec("z", "FP32", (-1, 2))])
    with pytest.raises(ServingError, match="output 'y' is FP32 where the metadata says INT64"):
        promised(answer, [TensorSpec("y", "INT64", (-1, 2))])


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
