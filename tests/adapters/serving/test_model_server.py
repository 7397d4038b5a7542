"""The model server as a process, over REST and gRPC.

mlserver cannot be imported beside tritonclient (see onnx_model), so the runtime is tested through its server.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tritonclient.grpc import service_pb2, service_pb2_grpc

from ipa.adapters.serving.model_server import PORT_TAKEN
from ipa.dataplane.replica import Replica
from tests.adapters.serving import tiny
from tests.adapters.serving.processes import wait_until
from tests.dataplane.processes import free_ports

pytestmark = pytest.mark.slow


@contextmanager
def server(model: Path, http_port: int, grpc_port: int) -> Iterator[subprocess.Popen[bytes]]:
    message = {
        "name": "by2",
        "model": str(model),
        "cores": 1,
        "host": "127.0.0.1",
        "http_port": http_port,
        "grpc_port": grpc_port,
    }
    command = [sys.executable, "-m", "ipa.adapters.serving.model_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def last_words(model: Path, http_port: int, grpc_port: int) -> tuple[int, str]:
    """The exit code and stderr of a server that does not come up."""
    with server(model, http_port, grpc_port) as process:
        assert process.stderr is not None
        stderr = process.stderr.read().decode()
        return process.wait(), stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server of y = 2·x; its REST URL and its gRPC address."""
    model = tiny.save_model(tmp_path_factory.mktemp("model") / "by2.onnx", "Mul", "x", "y", 2.0)
    http_port, grpc_port = free_ports(2)
    url = f"http://127.0.0.1:{http_port}/v2/models/by2"
    with server(model, http_port, grpc_port) as process:

        def ready() -> bool:
            assert process.poll() is None, process.stderr and process.stderr.read()
            try:
                return httpx.get(f"{url}/ready", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(ready, "the model is ready")
        yield url, f"127.0.0.1:{grpc_port}"


def post(url: str, **changed: Any) -> httpx.Response:
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": list(range(8)), **changed}
    return httpx.post(f"{url}/infer", json={"inputs": [tensor]}, trust_env=False)


def test_metadata_comes_from_the_model(served: tuple[str, str]) -> None:
    metadata = httpx.get(served[0], trust_env=False).json()
    assert metadata["name"] == "by2"
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}]


def test_lists_in_lists_out(served: tuple[str, str]) -> None:
    (output,) = post(served[0]).json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("y", "FP32", [2, 4])
    assert output["data"] == [2.0 * i for i in range(8)]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        pytest.param({"name": "z"}, "exactly ['x']", id="an unknown input"),
        pytest.param({"datatype": "INT32"}, "INT32: the model takes FP32", id="another datatype"),
        pytest.param({"shape": [2, 5]}, "[2, 5]: the model takes [-1, 4]", id="another shape"),
        pytest.param({"shape": [8]}, "[8]: the model takes [-1, 4]", id="too few dimensions"),
        pytest.param({"shape": [3, 4]}, "does not hold FP32[3, 4]", id="too little data"),
        pytest.param({"data": ["a"] * 8}, "does not hold FP32[2, 4]", id="text"),
    ],
)
def test_a_wrong_input_is_the_clients_fault(served: tuple[str, str], changed: dict[str, Any], named: str) -> None:
    response = post(served[0], **changed)
    assert response.status_code == 400
    assert named in response.json()["error"]


@pytest.mark.parametrize("rows", [1, 3, 1000, 500_000])
def test_raw_contents_in_raw_contents_out(served: tuple[str, str], rows: int) -> None:
    array = np.random.default_rng(0).random((rows, 4), np.float32)

    async def call() -> dict[str, Any]:
        replica = Replica(served[1], "by2")
        try:
            return await replica.infer({"x": array})
        finally:
            await replica.close()

    np.testing.assert_array_equal(asyncio.run(call())["y"], array * 2)


@pytest.mark.parametrize(
    ("datatype", "shapes", "named"),
    [
        pytest.param("FP32", [[2, 4]], "16 bytes do not hold FP32[2, 4]", id="size"),
        pytest.param("BYTES", [[1, 4]], "BYTES", id="text"),
        pytest.param("FP31", [[1, 4]], "do not hold FP31", id="no datatype"),
        pytest.param("FP32", [[1, 4], [1, 4]], "2 inputs but 1 raw contents", id="an input without contents"),
    ],
)
def test_wrong_raw_contents_are_the_clients_fault(
    served: tuple[str, str], datatype: str, shapes: list[list[int]], named: str
) -> None:
    asked = service_pb2.ModelInferRequest(model_name="by2")
    for shape in shapes:
        asked.inputs.add(name="x", datatype=datatype, shape=shape)
    asked.raw_input_contents.append(np.zeros(4, np.float32).tobytes())
    with grpc.insecure_channel(served[1]) as channel, pytest.raises(grpc.RpcError) as refused:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(asked)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert named in refused.value.details()


def test_what_is_no_model_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_text("no model")
    code, stderr = last_words(tmp_path / "broken.onnx", *free_ports(2))
    assert code == 1
    assert stderr.count("\n") == 1 and "broken.onnx" in stderr


def test_a_model_of_text_is_refused(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "text", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "text.onnx")
    code, stderr = last_words(tmp_path / "text.onnx", *free_ports(2))
    assert code == 1
    assert stderr.count("\n") == 1 and "'x' is a tensor(string)" in stderr


def test_a_taken_port_has_its_own_exit_code(tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "by2.onnx", "Mul", "x", "y", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, stderr = last_words(model, free_ports(1)[0], port)
    assert code == PORT_TAKEN
    assert stderr.count("\n") == 1 and str(port) in stderr


def test_the_end_of_stdin_is_its_end(tmp_path: Path) -> None:
    model = tiny.save_model(tmp_path / "by2.onnx", "Mul", "x", "y", 2.0)
    with server(model, *free_ports(2)) as process:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)
