"""A pipeline that forks, joins and branches, small enough to start in seconds: `look` doubles its input, `left` and
`right` work on that side by side, `join` multiplies what they return, and `large` runs only if the input is above 10.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

YAML = """\
name: fork
slo: {latency: 5s}
profiles: .
stages:
  - {name: look}
  - {name: left, after: [look]}
  - {name: right, after: [look]}
  - {name: join, after: [left, right]}
  - {name: large, after: [look], visits: 0.5, when: {output: is_large, equals: true}}
serving: {models: models}
router: {batching: full, batch_wait: 20ms}
"""

WIDTH = 2
# stage → (nodes as (operation, inputs, output), constants, inputs, outputs as (name, type))
FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL
STAGES: dict[str, tuple[list[tuple[str, list[str], str]], dict[str, float], list[str], list[tuple[str, int]]]] = {
    "look": (
        [("Mul", ["x", "two"], "y"), ("Greater", ["x", "ten"], "is_large")],
        {"two": 2.0, "ten": 10.0},
        ["x"],
        [("y", FLOAT), ("is_large", BOOL)],
    ),
    "left": ([("Add", ["y", "one"], "l")], {"one": 1.0}, ["y"], [("l", FLOAT)]),
    "right": ([("Add", ["y", "two"], "r")], {"two": 2.0}, ["y"], [("r", FLOAT)]),
    "join": ([("Mul", ["l", "r"], "z")], {}, ["l", "r"], [("z", FLOAT)]),
    "large": ([("Neg", ["y"], "negative")], {}, ["y"], [("negative", FLOAT)]),
}


def write_config(folder: Path) -> Path:
    """The pipeline as files: config, profile and models; returns the config's path."""
    variants, measurements = [], []
    for stage, (nodes, constants, inputs, outputs) in STAGES.items():
        graph = helper.make_graph(
            [helper.make_node(operation, takes, [returns]) for operation, takes, returns in nodes],
            stage,
            [helper.make_tensor_value_info(name, FLOAT, ["n", WIDTH]) for name in inputs],
            [helper.make_tensor_value_info(name, kind, ["n", WIDTH]) for name, kind in outputs],
            [helper.make_tensor(name, FLOAT, [1], [number]) for name, number in constants.items()],
        )
        path = folder / "models" / stage / "only.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
        variants.append(f"{stage},only,0.9,top1,50,1.0,estimated:test\n")
        measurements += [f"{stage},only,cpu,1,{b},0.001,0.001,0.001,0.001,1000,100,estimated:test\n" for b in (1, 4)]
    (folder / "variants.csv").write_text("stage,variant,accuracy,metric,memory_mb,load_s,source\n" + "".join(variants))
    (folder / "measurements.csv").write_text(
        "stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,"
        "throughput_rps,requests,source\n" + "".join(measurements)
    )
    config = folder / "fork.yaml"
    config.write_text(YAML)
    return config


def body(*values: float) -> dict[str, Any]:
    """A V2 request of one row per value."""
    data = [value for value in values for _ in range(WIDTH)]
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(values), WIDTH], "data": data}]}


def expected(*values: float) -> dict[str, list[float]]:
    """The outputs by definition, first column."""
    found = {"z": [(2 * value + 1) * (2 * value + 2) for value in values]}
    return found | ({"negative": [-2 * value for value in values]} if min(values) > 10 else {})


def answer(document: dict[str, Any]) -> dict[str, list[float]]:
    """output name → its first column"""
    return {output["name"]: output["data"][::WIDTH] for output in document["outputs"]}
