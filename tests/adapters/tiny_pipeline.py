"""A real two-stage pipeline that costs nothing: matrix products as ONNX files, a config, a payload, no profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CONFIG = """\
name: tiny
slo: {latency: 1s}
profiles: profile
batches: [1, 2]
stages: [{name: embed}, {name: label}]
serving: {models: models}
load: {payload: payload.npz}
"""
VARIANTS = """\
stage,variant,accuracy,metric,memory_mb,load_s,source,licence
embed,small,0.50,top-1,,,by hand,MIT
embed,large,0.75,top-1,7,7,by hand,
label,only,0.90,top-1,,,by hand,BSD
"""


def write_tiny_pipeline(folder: Path) -> Path:
    """The config's path: pixels[4] → embed (small, large) → features[3] → label (only) → scores[2]."""
    write_model(folder / "models" / "embed" / "small.onnx", ("pixels", 4), ("features", 3))
    write_model(folder / "models" / "embed" / "large.onnx", ("pixels", 4), ("features", 3))
    write_model(folder / "models" / "label" / "only.onnx", ("features", 3), ("scores", 2))
    inputs = np.random.default_rng(0).random((10, 4), dtype=np.float32)
    np.savez(folder / "payload.npz", inputs=inputs, labels=np.zeros(10, dtype=np.int64))
    (folder / "profile").mkdir()
    (folder / "profile" / "variants.csv").write_text(VARIANTS)
    config = folder / "tiny.yaml"
    config.write_text(CONFIG)
    return config


def write_model(path: Path, takes: tuple[str, int], returns: tuple[str, int]) -> None:
    """A model of one matrix product; `takes` and `returns` are a tensor's name and width."""
    from onnx import TensorProto, checker, helper, save_model

    weights = np.arange(takes[1] * returns[1], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", [takes[0], "weights"], [returns[0]])],
        "tiny",
        [helper.make_tensor_value_info(takes[0], TensorProto.FLOAT, ["rows", takes[1]])],
        [helper.make_tensor_value_info(returns[0], TensorProto.FLOAT, ["rows", returns[1]])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [takes[1], returns[1]], weights)],
    )
    # Versions that the oldest ONNX Runtime we allow can read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, path)
