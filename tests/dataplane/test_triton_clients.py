"""tritonclient, unchanged, against the router process: gRPC and HTTP, each synchronous and asyncio.

The replicas are bare V2 gRPC servers in processes of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.grpc.aio as over_grpc_aio
import tritonclient.http as over_http
import tritonclient.http.aio as over_http_aio
from tritonclient.utils import InferenceServerException

from tests.dataplane.processes import Running, model_servers, put_plan, router

pytestmark = pytest.mark.slow

ROWS = np.array([[1.5, 2], [3, 4]], np.float32)
METADATA = {"name": "pipe", "inputs": [("x", "FP32", [-1, 2])], "outputs": [("z", "FP32", [-1, 2])]}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with model_servers() as servers, router() as started:
        asyncio.run(put_plan(started, servers.start_small("one", "two")))
        yield started
        assert started.child.poll() is None


def address(running: Running) -> str:
    return running.url.removeprefix("http://")


def input_of(module: Any, rows: Any, **encoding: bool) -> Any:
    given = module.InferInput("x", list(rows.shape), "FP32")
    return given.set_data_from_numpy(rows, **encoding)


def tensors(listed: list[Any], field: Callable[[Any, str], Any]) -> list[tuple[str, str, list[int]]]:
    """Name, datatype and shape of each; tritonclient.http gives shapes as numbers, tritonclient.grpc as strings."""
    return [(field(t, "name"), field(t, "datatype"), [int(n) for n in field(t, "shape")]) for t in listed]


def named(document: Any, field: Callable[[Any, str], Any]) -> dict[str, Any]:
    sides = {side: tensors(field(document, side), field) for side in ("inputs", "outputs")}
    return {"name": field(document, "name"), **sides}


def of_document(document: Any, key: str) -> Any:
    return document[key]


def test_grpc(running: Running) -> None:
    with over_grpc.InferenceServerClient(running.grpc_address) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("pipe")
        assert client.get_server_metadata().name == "ipa"
        assert named(client.get_model_metadata("pipe"), getattr) == METADATA
        assert named(client.get_model_metadata("pipe", as_json=True), of_document) == METADATA
        given = input_of(over_grpc, ROWS)
        for outputs in (None, [over_grpc.InferRequestedOutput("z")]):
            answer = client.infer("pipe", [given], outputs=outputs, request_id="7")
            assert (answer.get_response().id, answer.as_numpy("z").tolist()) == ("7", (4 * ROWS).tolist())
        packed = client.infer("pipe", [given], compression_algorithm="gzip", client_timeout=30)
        assert packed.as_numpy("z").tolist() == (4 * ROWS).tolist()
        with pytest.raises(InferenceServerException, match="serves the model 'pipe' alone") as refused:
            client.infer("other", [given])
        assert refused.value.status() == "StatusCode.NOT_FOUND"
        with pytest.raises(InferenceServerException, match=r"shape \[2, 1\] where the model takes") as refused:
            client.infer("pipe", [input_of(over_grpc, ROWS[:, :1])])
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_grpc_with_callbacks(running: Running) -> None:
    told: list[Any] = []
    with over_grpc.InferenceServerClient(running.grpc_address) as client:
        for value in range(20):
            given = input_of(over_grpc, np.full((1, 2), value, np.float32))
            client.async_infer("pipe", [given], lambda result, error: told.append((error, result.as_numpy("z")[0, 0])))
        while len(told) < 20:
            assert client.is_server_live()
    assert sorted(told, key=lambda answer: answer[1]) == [(None, 4.0 * value) for value in range(20)]


def test_grpc_asyncio(running: Running) -> None:
    async def story() -> None:
        async with over_grpc_aio.InferenceServerClient(running.grpc_address) as client:
            assert await client.is_server_live() and await client.is_server_ready()
            assert await client.is_model_ready("pipe")
            assert named(await client.get_model_metadata("pipe"), getattr) == METADATA
            many = [client.infer("pipe", [input_of(over_grpc_aio, ROWS * i)]) for i in range(50)]
            for i, answer in enumerate(await asyncio.gather(*many)):
                assert answer.as_numpy("z").tolist() == (4 * i * ROWS).tolist()
            with pytest.raises(InferenceServerException, match="unknown input 'q'"):
                wrong = over_grpc_aio.InferInput("q", [1], "FP32").set_data_from_numpy(np.ones(1, np.float32))
                await client.infer("pipe", [wrong])

    asyncio.run(story())


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_http(running: Running, binary_in: bool, binary_out: bool | None) -> None:
    """None: the client's default, which asks for no output by name and for all of them raw."""
    outputs = None if binary_out is None else [over_http.InferRequestedOutput("z", binary_data=binary_out)]
    with closing(over_http.InferenceServerClient(address(running))) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("pipe")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        assert named(client.get_model_metadata("pipe"), of_document) == METADATA
        given = input_of(over_http, ROWS, binary_data=binary_in)
        for packing in (None, "gzip", "deflate"):
            answer = client.infer("pipe", [given], outputs=outputs, request_compression_algorithm=packing)
            assert answer.as_numpy("z").tolist() == (4 * ROWS).tolist()
            assert ("data" in answer.get_response()["outputs"][0]) == (binary_out is False)
        with pytest.raises(InferenceServerException, match=r"shape \[2, 1\] where the model takes") as refused:
            client.infer("pipe", [input_of(over_http, ROWS[:, :1], binary_data=binary_in)], outputs=outputs)
        assert refused.value.status() == "400"


def test_http_asyncio(running: Running) -> None:
    async def story() -> None:
        async with over_http_aio.InferenceServerClient(address(running)) as client:
            assert await client.is_server_ready() and await client.is_model_ready("pipe")
            assert named(await client.get_model_metadata("pipe"), of_document) == METADATA
            many = [client.infer("pipe", [input_of(over_http_aio, ROWS * i)]) for i in range(50)]
            for i, answer in enumerate(await asyncio.gather(*many)):
                assert answer.as_numpy("z").tolist() == (4 * i * ROWS).tolist()
            with pytest.raises(InferenceServerException, match="serves the model 'pipe' alone"):
                await client.infer("other", [input_of(over_http_aio, ROWS)])

    asyncio.run(story())


def test_requests_over_either_port_add_up(running: Running) -> None:
    """One router behind both ports: what each counts adds up."""

    async def answered() -> float:
        import aiohttp

        async with aiohttp.ClientSession() as session, session.get(f"{running.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return float(next(line for line in lines if line.startswith("ipa_answers_total")).split()[1])

    async def story() -> None:
        before = await answered()
        async with (
            over_grpc_aio.InferenceServerClient(running.grpc_address) as one,
            over_http_aio.InferenceServerClient(address(running)) as other,
        ):
            sent = [one.infer("pipe", [input_of(over_grpc_aio, ROWS)]) for _ in range(10)]
            sent += [other.infer("pipe", [input_of(over_http_aio, ROWS)]) for _ in range(10)]
            await asyncio.gather(*sent)
        assert await answered() - before == 20

    asyncio.run(story())
