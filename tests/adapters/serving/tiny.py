"""A pipeline small enough to start in seconds: `scale` multiplies, `shift` adds; the answer tells who computed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from ipa.domain import (
    Allocation,
    Config,
    ControlSettings,
    Hardware,
    Measurement,
    Pipeline,
    Plan,
    ServingSettings,
    Slo,
    Stage,
    Variant,
)

WIDTH = 4
# stage → (operation, input, output, variant → number)
STAGES: dict[str, tuple[str, str, str, dict[str, float]]] = {
    "scale": ("Mul", "x", "y", {"by2": 2.0, "by3": 3.0}),
    "shift": ("Add", "y", "z", {"plus1": 1.0, "plus100": 100.0}),
}


def save_model(path: Path, operation: str, source: str, target: str, number: float) -> Path:
    """An ONNX model `target` = `source` operation `number`, FP32 of shape [n, WIDTH]."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in (source, target)]
    constant = helper.make_tensor("number", TensorProto.FLOAT, [1], [number])
    node = helper.make_node(operation, [source, "number"], [target])
    graph = helper.make_graph([node], "tiny", ends[:1], ends[1:], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def save_models(folder: Path) -> Path:
    for stage, (operation, source, target, variants) in STAGES.items():
        for variant, number in variants.items():
            save_model(folder / stage / f"{variant}.onnx", operation, source, target, number)
    return folder


def measurement(stage: str, variant: str, batch: int, latency_s: float) -> Measurement:
    return Measurement(stage, variant, "cpu", 1, batch, latency_s, latency_s, latency_s, latency_s)


def config(folder: Path, name: str = "tiny", **control: Any) -> Config:
    """The tiny pipeline with its models saved in `folder`/models."""
    stages = tuple(
        Stage(
            stage,
            tuple(Variant(variant, 0.9, source="estimated:test") for variant in STAGES[stage][3]),
            ("cpu",),
            after,
        )
        for stage, after in (("scale", ()), ("shift", ("scale",)))
    )
    measurements = tuple(
        measurement(stage, variant, batch, 0.001 * batch)
        for stage, (_, _, _, variants) in STAGES.items()
        for variant in variants
        for batch in (1, 4)
    )
    pipeline = Pipeline(name, stages, Slo(5.0, 10.0), hardware={"cpu": Hardware("cpu")}, measurements=measurements)
    models = save_models(folder / "models")
    return Config(pipeline, folder, serving=ServingSettings("onnx", models), control=ControlSettings(**control))


def plan(
    scale: str = "by2", shift: str = "plus1", *, batch: int = 1, replicas: int = 1, shift_replicas: int = 1
) -> Plan:
    return Plan(
        (
            Allocation("scale", scale, "cpu", 1, batch, replicas),
            Allocation("shift", shift, "cpu", 1, batch, shift_replicas),
        )
    )


YAML = """\
name: NAME
slo: {latency: 5s}
profiles: .
stages: [{name: scale}, {name: shift}]
serving: {models: models}
"""


def write_config(folder: Path, name: str = "tiny") -> Path:
    """The same pipeline as files: config, profile and models; returns the config's path."""
    save_models(folder / "models")
    variants = [(stage, variant) for stage, (_, _, _, known) in STAGES.items() for variant in known]
    (folder / "variants.csv").write_text(
        "stage,variant,accuracy,metric,memory_mb,load_s,source\n"
        + "".join(f"{stage},{variant},0.9,top1,50,1.0,estimated:test\n" for stage, variant in variants)
    )
    (folder / "measurements.csv").write_text(
        "stage,variant,hardware,cores,batch,latency_mean_s,latency_p50_s,latency_p95_s,latency_p99_s,"
        "throughput_rps,requests,source\n"
        + "".join(
            f"{s},{v},cpu,1,{b},{0.001 * b},{0.001 * b},{0.001 * b},{0.001 * b},1000,100,estimated:test\n"
            for s, v in variants
            for b in (1, 4)
        )
    )
    path = folder / f"{name}.yaml"
    path.write_text(YAML.replace("NAME", name))
    return path


def body(value: float = 1.0, rows: int = 1) -> dict[str, Any]:
    """A V2 request of `rows` rows that hold `value`."""
    data = np.full(rows * WIDTH, value).tolist()
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, WIDTH], "data": data}]}


def answer(document: dict[str, Any]) -> float:
    """The first number of a V2 answer."""
    return float(document["outputs"][0]["data"][0])
