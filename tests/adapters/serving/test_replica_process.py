from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ipa.adapters.serving import onnx_runtime
from ipa.adapters.serving.loopback import held_ports
from ipa.adapters.serving.onnx_runtime import OnnxServer
from ipa.adapters.serving.replica_process import ReplicaSpec, start_replica, zeros
from ipa.dataplane.replica import Replica
from ipa.dataplane.tensors import TensorSpec
from ipa.errors import ServingError
from tests.adapters.serving import tiny
from tests.adapters.serving.processes import alive


def spec(model: Path, batch: int = 4) -> ReplicaSpec:
    return ReplicaSpec("scale-by2-1", "scale", "by2", OnnxServer(model, 1), batch)


def test_what_a_shape_leaves_open_is_one_but_the_rows() -> None:
    tensors = [TensorSpec("a", "FP32", (-1, 3, -1)), TensorSpec("b", "INT64", (-1,))]
    inputs = zeros(tensors, 5)
    assert {name: (array.shape, array.dtype) for name, array in inputs.items()} == {
        "a": ((5, 3, 1), np.dtype("float32")),
        "b": ((5,), np.dtype("int64")),
    }


def test_a_text_input_cannot_be_warmed_up() -> None:
    with pytest.raises(ServingError, match="'a' is BYTES"):
        zeros([TensorSpec("a", "BYTES", (-1,))], 1)


@pytest.mark.slow
def test_a_replica_is_warm_measured_and_can_be_stopped(tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "by2.onnx", "Mul", "x", "y", 2.0)

    async def play() -> None:
        replica = await start_replica(spec(model), tmp_path)
        assert replica.load_s > 0 and replica.memory_mb > 10
        client = Replica(replica.address, "by2")
        assert await client.ready()
        await client.close()
        await replica.child.stop()
        assert not alive(replica.child.pid)
        assert replica.child.exit_code == 0  # SIGTERM was enough

    asyncio.run(play())
    assert (tmp_path / "scale-by2-1.log").read_text() == ""


@pytest.mark.slow
def test_a_server_that_dies_says_which_and_why(tmp_path: Path) -> None:
    (tmp_path / "by2.onnx").write_text("no model")
    with pytest.raises(ServingError, match=r"scale/by2 .*exit code 1.*Protobuf parsing failed"):
        asyncio.run(start_replica(spec(tmp_path / "by2.onnx"), tmp_path))


@pytest.mark.slow
def test_a_model_that_cannot_take_the_batch_fails_its_warm_up(tmp_path: Path) -> None:
    import onnx

    path = tiny.save_model(tmp_path / "by2.onnx", "Mul", "x", "y", 2.0)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    with pytest.raises(ServingError, match=r"scale/by2 .*fails its warm-up.*the model takes \[1, 4\]"):
        asyncio.run(start_replica(spec(path), tmp_path))


@pytest.mark.slow
def test_a_lost_race_for_a_port_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.save_model(tmp_path / "by2.onnx", "Mul", "x", "y", 2.0)
    asked: list[int] = []

    with socket.create_server(("127.0.0.1", 0)) as winner:

        @contextmanager
        def first_a_taken_one(count: int) -> Iterator[tuple[int, ...]]:
            asked.append(count)
            with held_ports(count) as ports:
                yield (winner.getsockname()[1], *ports[1:]) if len(asked) == 1 else ports

        monkeypatch.setattr(onnx_runtime, "held_ports", first_a_taken_one)

        async def play() -> None:
            replica = await start_replica(spec(model), tmp_path)
            await replica.child.stop()

        asyncio.run(play())
    assert asked == [2, 2]
