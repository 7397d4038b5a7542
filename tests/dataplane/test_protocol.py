from __future__ import annotations

import pytest

from ipa.dataplane.protocol import ModelMetadata, check_model
from ipa.dataplane.tensors import TensorSpec
from ipa.errors import ServingError

IMAGE, LABEL = TensorSpec("image", "FP32", (-1, 2)), TensorSpec("label", "INT64", (-1,))


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
