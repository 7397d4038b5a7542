"""The public port over a real socket, with replicas that answer when told to."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
import orjson
import pytest
from tritonclient.grpc import service_pb2

from tests.dataplane.fakes import plan, route
from tests.dataplane.ports import Client, Port, serve_rest

INFER = "/v2/models/pipe/infer"
JSON_BYTES = "Inference-Header-Content-Length"


def body(*values: float, **changes: Any) -> bytes:
    data = [number for value in values or (1.0,) for number in (value, 0.0)]
    tensor = {"name": "x", "datatype": "FP32", "shape": [len(data) // 2, 2], "data": data}
    return orjson.dumps({"inputs": [tensor]} | changes)


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/x-www-form-urlencoded", "text/plain; charset=x"]
)
def test_a_request_is_answered_whatever_its_content_type(content_type: str | None) -> None:
    async def story(port: Port, client: Client) -> None:
        port.open("a")
        headers = {"Content-Type": content_type} if content_type else {}
        skip = () if content_type else ("Content-Type",)
        answer = await client.post(INFER, data=body(1, 2, id="7"), headers=headers, skip_auto_headers=skip)
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert await answer.json() == {
            "model_name": "pipe",
            "id": "7",
            "outputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [2.0, 0.0, 4.0, 0.0]}],
        }

    serve_rest(story)


def test_metadata_and_health_follow_the_plan() -> None:
    async def story(port: Port, client: Client) -> None:
        async def status(path: str) -> int:
            return (await client.get(path)).status

        assert await status("/v2/health/live") == 200
        for path in ("/v2/health/ready", "/v2/models/pipe/ready", "/v2/models/pipe"):
            assert await status(path) == 503
        assert (await client.post(INFER, data=body())).status == 503
        await port.router.apply(plan(route("one", ["a"])))
        assert await (await client.get("/v2/health/ready")).json() == {"ready": True}
        assert await (await client.get("/v2/models/pipe/ready")).json() == {"name": "pipe", "ready": True}
        tensors = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
        metadata = await (await client.get("/v2/models/pipe")).json()
        assert (metadata["name"], metadata["inputs"], metadata["outputs"]) == ("pipe", tensors, tensors)
        assert (await (await client.get("/v2")).json())["name"] == "ipa"

    serve_rest(story, stages=["one"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/other/infer", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("GET", "/nowhere", 404),
        ("GET", INFER, 405),
        ("POST", "/v2/models/%0d%0aX-Evil:1/infer", 404),
    ],
)
def test_what_does_not_exist_is_a_json_error(method: str, path: str, status: int) -> None:
    async def story(port: Port, client: Client) -> None:
        answer = await client.request(method, path, data=body() if method == "POST" else None)
        assert answer.status == status
        assert list(await answer.json()) == ["error"]

    serve_rest(story)


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nbroken\r\n0\r\n\r\n",
        b"Content-Length: abc\r\n\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"Bad Header\r\n\r\n",
    ],
)
def test_broken_http_is_the_clients_fault(sent: bytes) -> None:
    async def story(port: Port, client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + sent)
        await writer.drain()
        status = await reader.readline()
        assert status.startswith(b"HTTP/1.1 400") or status.startswith(b"HTTP/1.0 400"), status
        writer.close()
        await writer.wait_closed()

    serve_rest(story)


def test_a_drop_says_why_in_a_header() -> None:
    async def story(port: Port, client: Client) -> None:
        busy = asyncio.create_task(client.post(INFER, data=body()))
        late = asyncio.create_task(client.post(INFER, data=body()))
        while port.replica("a").held + port.router.stages[0].queue_length < 2:
            await asyncio.sleep(0.001)
        full = await client.post(INFER, data=body())
        assert (full.status, full.headers["X-Ipa-Drop"], full.headers["Retry-After"]) == (
            503,
            "queue-full",
            "1",
        )
        port.clock.now_s += 100
        port.open("a")
        dropped = await late
        assert (dropped.status, dropped.headers["X-Ipa-Drop"]) == (504, "deadline")
        assert "10 s" in (await dropped.json())["error"]
        assert (await busy).status == 200

    serve_rest(story, queue_limit=1)


def test_a_client_that_hangs_up_frees_its_place() -> None:
    async def story(port: Port, client: Client) -> None:
        busy = asyncio.create_task(client.post(INFER, data=body()))
        leaving = asyncio.create_task(client.post(INFER, data=body(3)))
        while port.router.stages[0].queue_length < 1:
            await asyncio.sleep(0.001)
        leaving.cancel()
        while port.router.stages[0].queue_length:
            await asyncio.sleep(0.001)
        port.open("a")
        assert (await busy).status == 200
        assert port.replica("a").calls == [[1.0]]
        assert b'ipa_drops_total{reason="disconnected"} 1.0' in port.metrics.text()

    serve_rest(story)


def test_an_output_that_json_cannot_carry_is_a_500_and_the_router_lives() -> None:
    async def story(port: Port, client: Client) -> None:
        port.open("a")
        answer = await client.post(INFER, data=body(3e38))  # doubled, it is beyond float32
        assert answer.status == 500
        assert "NaN or infinity" in (await answer.json())["error"]
        assert (await client.post(INFER, data=body(1))).status == 200

    with pytest.warns(RuntimeWarning, match="overflow"):
        serve_rest(story)


def test_only_valid_requests_are_arrivals_and_the_metrics_add_up() -> None:
    async def story(port: Port, client: Client) -> None:
        port.open("a")
        for _ in range(3):
            assert (await client.post(INFER, data=body())).status == 200
        assert (await client.post(INFER, data=b"{}")).status == 400
        assert (await client.post("/v2/models/other/infer", data=body())).status == 404
        await port.router.apply(plan(route("one", [])))
        assert (await client.post(INFER, data=body())).status == 503
        assert port.arrived() == 4
        text = (await (await client.get("/metrics")).read()).decode()
        for line in (
            'ipa_requests_total{pipeline="pipe"} 4.0',
            "ipa_answers_total 3.0",
            "ipa_errors_total 0.0",
            'ipa_drops_total{reason="unavailable"} 1.0',
            "ipa_request_latency_seconds_count 3.0",
            'ipa_stage_latency_seconds_count{stage="one"} 3.0',
            'ipa_queue_wait_seconds_count{stage="one"} 3.0',
            'ipa_batch_size_sum{stage="one"} 3.0',
            'ipa_queue_length{stage="one"} 0.0',
            'ipa_replicas{stage="one"} 0.0',
            'ipa_in_flight{stage="one"} 0.0',
            'ipa_variant_answers_total{stage="one",variant="plain"} 3.0',
        ):
            assert line in text.splitlines()

    serve_rest(story)


def test_before_there_is_a_plan_an_arrival_is_a_drop_on_both_ports() -> None:
    async def story(port: Port, client: Client) -> None:
        refused = await client.post(INFER, data=body())
        assert (refused.status, refused.headers["X-Ipa-Drop"]) == (503, "unavailable")
        async with port.grpc() as channel:
            asked = service_pb2.ModelInferRequest(model_name="pipe").SerializeToString()
            with pytest.raises(grpc.aio.AioRpcError, match="no plan is routed yet"):
                await channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(asked)
        assert port.arrived() == 2
        lines = port.metrics.text().decode().splitlines()
        assert {'ipa_requests_total{pipeline="pipe"} 2.0', 'ipa_drops_total{reason="unavailable"} 2.0'} <= set(lines)

    serve_rest(story, stages=["one"])


# --- the binary tensor extension -------------------------------------------------------------------------------


def test_raw_tensors_in_and_out() -> None:
    async def story(port: Port, client: Client) -> None:
        port.open("a")
        described = {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
        document = orjson.dumps({"inputs": [described], "parameters": {"binary_data_output": True}})
        sent = document + np.array([1.5, 0], "<f4").tobytes()
        answer = await client.post(INFER, data=sent, headers={JSON_BYTES: str(len(document))})
        assert answer.status == 200, await answer.text()
        json_bytes, got = int(answer.headers[JSON_BYTES]), await answer.read()
        assert orjson.loads(got[:json_bytes])["outputs"] == [described]
        assert np.frombuffer(got[json_bytes:], "<f4").tolist() == [3.0, 0.0]
        assert "binary_tensor_data" in (await (await client.get("/v2")).json())["extensions"]

    serve_rest(story)


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "9" * 40, "", "²", "999999999"])
def test_a_broken_json_length_is_400(length: str) -> None:
    async def story(port: Port, client: Client) -> None:
        answer = await client.post(INFER, data=body(), headers={JSON_BYTES: length})
        assert answer.status == 400
        assert JSON_BYTES in (await answer.json())["error"]

    serve_rest(story)
