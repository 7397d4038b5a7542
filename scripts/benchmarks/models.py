"""Models made at run time, each [rows, WIDTH] → [rows, WIDTH], bound by one thing: the call itself, or its weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 16
HIDDEN = 4096


def save_small(path: Path, operations: int) -> Path:
    """`operations` additions of nothing in a row: a call costs the same for one row and for sixteen."""
    from onnx import helper, numpy_helper

    nothing = numpy_helper.from_array(np.zeros(WIDTH, np.float32), "nothing")
    names = ["x", *(f"x{i}" for i in range(1, operations)), "y"]
    nodes = [helper.make_node("Add", [names[i], "nothing"], [names[i + 1]]) for i in range(operations)]
    return _save(path, nodes, [nothing])


def save_mlp(path: Path, weights_mb: int) -> Path:
    """Random square layers of HIDDEN units: a call reads all weights once, however many rows it has."""
    from onnx import helper, numpy_helper

    layers = round(weights_mb * 1e6 / (4 * HIDDEN * HIDDEN))
    random = np.random.default_rng(0)
    shapes = [(WIDTH, HIDDEN), *[(HIDDEN, HIDDEN)] * layers, (HIDDEN, WIDTH)]
    weights, nodes, last = [], [], "x"
    for i, shape in enumerate(shapes):
        values = random.standard_normal(shape, np.float32) / np.float32(np.sqrt(shape[0]))
        weights.append(numpy_helper.from_array(values, f"w{i}"))
        made = "y" if i == len(shapes) - 1 else f"h{i}"
        nodes.append(helper.make_node("MatMul", [last, f"w{i}"], [made]))
        last = made
    return _save(path, nodes, weights)


def _save(path: Path, nodes: Sequence[Any], weights: Sequence[Any]) -> Path:
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", WIDTH]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, path.stem, ends[:1], ends[1:], weights)
    # An older format on purpose: ONNX Runtime reads no newer one than it knows.
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
