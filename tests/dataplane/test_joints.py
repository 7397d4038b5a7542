"""Which models fit each other in a graph, and what the pipeline takes and returns then."""

from __future__ import annotations

import pytest

from ipa.dataplane.graph import Node, line
from ipa.dataplane.joints import can_merge, check_alike, pipeline_model
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import TensorSpec
from ipa.domain import When
from ipa.errors import ServingError


def tensors(names: str) -> tuple[TensorSpec, ...]:
    """ "x y:INT64" → specs of shape [−1, 2]; FP32 unless it says otherwise."""
    parts = (name.partition(":") for name in names.split())
    return tuple(TensorSpec(name, datatype or "FP32", (-1, 2)) for name, _, datatype in parts)


def model(takes: str, returns: str) -> ModelMetadata:
    return ModelMetadata("m", tensors(takes), tensors(returns))


DIAMOND = (Node("a"), Node("b", ("a",)), Node("c", ("a",)), Node("d", ("b", "c")))
EITHER = (Node("a"), Node("b", ("a",), When("k", 0)), Node("c", ("a",), When("k", 1)))
REJOINED = (*EITHER, Node("d", ("b", "c")))


@pytest.mark.parametrize(
    ("nodes", "models", "takes", "returns"),
    [
        pytest.param(line(["a", "b"]), ["x>y", "y>z"], "x", "z", id="a line"),
        pytest.param(DIAMOND, ["x>y", "y>l", "y>r", "l r>z"], "x", "z", id="a diamond: both take the same"),
        pytest.param(DIAMOND, ["x>u v", "u>l", "v>r", "r l>z"], "x", "z", id="a diamond: each takes its own"),
        pytest.param(DIAMOND[:3], ["x>y", "y>l", "y>r"], "x", "l r", id="two ends answer together"),
        pytest.param(
            (Node("a"), Node("b"), Node("c", ("a", "b"))), ["x s>u", "y s>v", "u v>z"], "x s y", "z", id="two sources"
        ),
        pytest.param(
            (Node("a"), Node("b", ("a",)), Node("c", ("a", "b"))), ["x>y", "y>z", "y z>o"], "x", "o", id="a by-pass"
        ),
        pytest.param(EITHER, ["x>y k:INT64", "y>l", "y>r"], "x", "y k:INT64 l r", id="neither branch: a answers"),
        pytest.param(EITHER[:2], ["x>y k:INT64", "y>y"], "x", "y k:INT64", id="a cascade: both ends have the output"),
        pytest.param(
            REJOINED, ["x>y k:INT64", "y>z", "y>z", "z>o"], "x", "y k:INT64 o", id="one name of two exclusive branches"
        ),
    ],
)
def test_what_fits(nodes: tuple[Node, ...], models: list[str], takes: str, returns: str) -> None:
    known = {node.name: model(*each.split(">")) for node, each in zip(nodes, models, strict=True)}
    assert pipeline_model("pipe", nodes, known) == ModelMetadata("pipe", tensors(takes), tensors(returns))


@pytest.mark.parametrize(
    ("nodes", "models", "says"),
    [
        (line(["a", "b"]), ["x>y", "other>z"], r"stage 'b' takes 'other', but \['a'\] do not return it"),
        (line(["a", "b"]), ["x>y", "y:INT64>z"], "stage 'b' takes 'y' as INT64, but 'a' returns FP32"),
        (line(["a", "b"]), ["x>y spare", "y>z"], r"stage 'a' returns 'spare', which none of \['b'\] takes"),
        (DIAMOND, ["x>y", "y>z", "y>z", "z>o"], r"'d' takes 'z', but \['b', 'c'\] return it all at once"),
        (DIAMOND[:3], ["x>y", "y>z", "y>z"], r"the answer would hold the output 'z' of \['b', 'c'\] at once"),
        (REJOINED, ["x>y k:INT64", "y>l", "y>r", "l r>o"], "stage 'd' takes 'r', but .* do not return it"),
        (EITHER, ["x>y", "y>l", "y>r"], r"branch on the output 'k': exactly one of \['a'\] must return it, not none"),
        (EITHER, ["x>y k:INT64", "y>l", "y>l:INT64"], "the output 'l' of the pipeline is both FP32.* and INT64"),
    ],
)
def test_what_does_not_fit_is_named(nodes: tuple[Node, ...], models: list[str], says: str) -> None:
    known = {node.name: model(*each.split(">")) for node, each in zip(nodes, models, strict=True)}
    with pytest.raises(ServingError, match=says):
        pipeline_model("pipe", nodes, known)


def test_sizes_in_which_two_branches_differ_are_left_open() -> None:
    wide = ModelMetadata("m", tensors("y"), (TensorSpec("y", "FP32", (-1, 9)),))
    whole = pipeline_model("pipe", EITHER[:2], {"a": model("x", "y k:INT64"), "b": wide})
    assert whole.outputs[0] == TensorSpec("y", "FP32", (-1, -1))


def test_more_ways_than_can_be_checked_are_refused() -> None:
    many = " ".join(f"k{i}:INT64" for i in range(13))
    nodes = (Node("a"), *(Node(f"b{i}", ("a",), When(f"k{i}", 1)) for i in range(13)))
    known = {"a": model("x", f"y {many}")} | {f"b{i}": model("y", f"z{i}") for i in range(13)}
    with pytest.raises(ServingError, match="8192 ways through the pipeline; at most 4096"):
        pipeline_model("pipe", nodes, known)


def test_replicas_of_a_stage_must_be_alike_in_all_but_shape() -> None:
    narrow = ModelMetadata("other", (TensorSpec("x", "FP32", (-1,)),), tensors("y"))
    check_alike("one", {"r1": model("x", "y"), "r2": narrow})
    with pytest.raises(ServingError, match=r"stage 'one': replica 'r1' takes .*, but replica 'r2' takes"):
        check_alike("one", {"r1": model("x", "y"), "r2": model("x", "z")})


def test_a_model_with_a_fixed_number_of_rows_cannot_share_a_batch() -> None:
    fixed = TensorSpec("x", "FP32", (1, 2))
    assert can_merge(model("x", "y"))
    assert not can_merge(ModelMetadata("m", (fixed,), tensors("y")))
