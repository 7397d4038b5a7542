"""The gRPC port over a real socket, with replicas that answer when told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from ipa.dataplane.grpc_ingress import GrpcIngress
from ipa.dataplane.replica import ModelError
from ipa.errors import ServingError
from tests.dataplane.fakes import plan, route
from tests.dataplane.ports import OPTIONS, Port, opened, serve_grpc

INFER = "/inference.GRPCInferenceService/ModelInfer"
Code = grpc.StatusCode


def stub(channel: Any) -> Any:
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request(*values: float, **fields: Any) -> Any:
    rows = [[value, 0.0] for value in values or (1.0,)]
    message = service_pb2.ModelInferRequest(**{"model_name": "pipe"} | fields)
    message.inputs.add(name="x", datatype="FP32", shape=[len(rows), 2])
    message.raw_input_contents.append(np.array(rows, "<f4").tobytes())
    return message


def column(answer: Any) -> list[float]:
    values: list[float] = np.frombuffer(answer.raw_output_contents[0], "<f4")[::2].tolist()
    return values


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


async def until(holds: Any) -> None:
    while not holds():
        await asyncio.sleep(0.001)


def test_requests_are_answered_and_counted() -> None:
    async def story(port: Port, channel: Any) -> None:
        port.open("a")
        answer = await stub(channel).ModelInfer(request(1, 2, id="7"))
        assert (answer.model_name, answer.id, answer.outputs[0].name) == ("pipe", "7", "x")
        assert column(answer) == [2.0, 4.0]
        assert (
            await refused(stub(channel).ModelInfer(request(outputs=[{"name": "y"}])))
        ).code() == Code.INVALID_ARGUMENT
        assert port.arrived() == 1
        text = port.metrics.text().decode()
        counted = 'ipa_requests_total{pipeline="pipe"} 1.0'
        for line in (counted, "ipa_answers_total 1.0", "ipa_request_latency_seconds_count 1.0"):
            assert line in text.splitlines()

    serve_grpc(story)


def test_metadata_and_health_follow_the_plan() -> None:
    async def story(port: Port, channel: Any) -> None:
        ask, named = stub(channel), {"name": "pipe"}
        assert (await ask.ServerLive(service_pb2.ServerLiveRequest())).live
        assert not (await ask.ServerReady(service_pb2.ServerReadyRequest())).ready
        assert not (await ask.ModelReady(service_pb2.ModelReadyRequest(**named))).ready
        for call in (ask.ModelMetadata(service_pb2.ModelMetadataRequest(**named)), ask.ModelInfer(request())):
            unrouted = await refused(call)
            assert (unrouted.code(), unrouted.details()) == (Code.UNAVAILABLE, "no plan is routed yet")
        await port.router.apply(plan(route("one", ["a"])))
        assert (await ask.ServerReady(service_pb2.ServerReadyRequest())).ready
        assert (await ask.ModelReady(service_pb2.ModelReadyRequest(**named))).ready
        model = await ask.ModelMetadata(service_pb2.ModelMetadataRequest(**named))
        assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [("x", "FP32", [-1, 2])]
        assert (await ask.ServerMetadata(service_pb2.ServerMetadataRequest())).name == "ipa"

    serve_grpc(story, stages=["one"])


def test_another_model_or_a_version_is_not_found() -> None:
    async def story(port: Port, channel: Any) -> None:
        ask = stub(channel)
        for call in (
            ask.ModelReady(service_pb2.ModelReadyRequest(name="other")),
            ask.ModelReady(service_pb2.ModelReadyRequest(name="pipe", version="1")),
            ask.ModelMetadata(service_pb2.ModelMetadataRequest(name="")),
            ask.ModelInfer(request(model_name="other")),
            ask.ModelInfer(request(model_version="2")),
        ):
            error = await refused(call)
            assert (error.code(), "serves the model 'pipe' alone" in error.details()) == (Code.NOT_FOUND, True)
        for call in (
            ask.RepositoryIndex(service_pb2.RepositoryIndexRequest()),
            channel.unary_unary("/inference.GRPCInferenceService/Nonsense")(b""),
        ):
            assert (await refused(call)).code() == Code.UNIMPLEMENTED

    serve_grpc(story)


def test_bytes_that_are_no_message_are_the_clients_fault() -> None:
    async def story(port: Port, channel: Any) -> None:
        async def nothing() -> AsyncIterator[bytes]:
            return
            yield

        error = await refused(channel.unary_unary(INFER)(b"\xff" * 20))
        assert (error.code(), error.details()[:35]) == (Code.INVALID_ARGUMENT, "the message is no ModelInferRequest")
        error = await refused(channel.stream_unary(INFER)(nothing()))
        assert (error.code(), error.details()) == (Code.INVALID_ARGUMENT, "the call ended without a message")

    serve_grpc(story)


def test_a_message_that_does_not_come_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipa.dataplane.grpc_ingress.BODY_TIMEOUT_S", 0.05)

    async def story(port: Port, channel: Any) -> None:
        async def never() -> AsyncIterator[bytes]:
            await asyncio.sleep(60)
            yield b""

        error = await refused(channel.stream_unary(INFER)(never()))
        assert (error.code(), error.details()) == (Code.DEADLINE_EXCEEDED, "the message did not come within 0.05 s")
        port.open("a")
        assert column(await stub(channel).ModelInfer(request(1))) == [2.0]

    serve_grpc(story)


def test_drops_have_a_code_and_say_why_in_a_trailer() -> None:
    async def story(port: Port, channel: Any) -> None:
        infer = stub(channel).ModelInfer
        busy, late = infer(request()), None
        await until(lambda: port.replica("a").held == 1)
        late = infer(request())
        await until(lambda: port.waiting == 1)
        full = await refused(infer(request()))
        assert (full.code(), dict(full.trailing_metadata())) == (
            Code.RESOURCE_EXHAUSTED,
            {"x-ipa-drop": "queue-full", "retry-after": "1"},
        )
        port.clock.now_s += 100
        port.open("a")
        dropped = await refused(late)
        assert (dropped.code(), dict(dropped.trailing_metadata())["x-ipa-drop"]) == (Code.DEADLINE_EXCEEDED, "deadline")
        assert "10 s" in dropped.details()
        assert column(await busy) == [2.0]
        await port.router.apply(plan(route("one", [])))
        nobody = await refused(infer(request()))
        assert (nobody.code(), dict(nobody.trailing_metadata())["x-ipa-drop"]) == (Code.UNAVAILABLE, "unavailable")

    serve_grpc(story, queue_limit=1)


def test_a_model_that_fails_is_internal_and_a_long_reason_is_cut() -> None:
    async def story(port: Port, channel: Any) -> None:
        port.open("a")
        port.replica("a").faults = [ModelError("ä" * 10_000)] * 2
        error = await refused(stub(channel).ModelInfer(request()))
        assert (error.code(), len(error.details())) == (Code.INTERNAL, 500)
        assert "x-ipa-drop" not in dict(error.trailing_metadata())
        assert "ipa_errors_total 1.0" in port.metrics.text().decode().splitlines()

    serve_grpc(story)


@pytest.mark.parametrize("leaves", ["cancels", "deadline", "disconnects"])
def test_a_client_that_leaves_frees_its_place(leaves: str) -> None:
    async def story(port: Port, channel: Any) -> None:
        busy = asyncio.ensure_future(stub(channel).ModelInfer(request(1)))
        await until(lambda: port.replica("a").held == 1)
        if leaves == "disconnects":
            async with grpc.aio.insecure_channel(port.grpc_address, OPTIONS) as other:
                call = stub(other).ModelInfer(request(3))
                await until(lambda: port.waiting == 1)
            assert call.cancelled()
        else:
            call = stub(channel).ModelInfer(request(3), timeout=0.3 if leaves == "deadline" else None)
            await until(lambda: port.waiting == 1)
            if leaves == "cancels":
                call.cancel()
        await until(lambda: port.waiting == 0)
        port.open("a")
        assert column(await busy) == [2.0]
        assert port.replica("a").calls == [[1.0]]
        assert b'ipa_drops_total{reason="disconnected"} 1.0' in port.metrics.text()

    serve_grpc(story)


def test_a_message_over_the_limit_is_refused_also_if_it_is_small_when_packed(caplog: pytest.LogCaptureFixture) -> None:
    async def story(port: Port, channel: Any) -> None:
        sent = bytes(65 * 1024 * 1024)
        for packed in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            error = await refused(channel.unary_unary(INFER)(sent, compression=packed))
            assert (error.code(), "larger than max" in error.details()) == (Code.RESOURCE_EXHAUSTED, True)
        assert port.arrived() == 0
        assert caplog.records == []

    serve_grpc(story)


def test_headers_over_the_limit_are_refused() -> None:
    async def story(port: Port, channel: Any) -> None:
        error = await refused(stub(channel).ServerLive(service_pb2.ServerLiveRequest(), metadata=[("x-a", "a" * 9000)]))
        assert error.code() == Code.RESOURCE_EXHAUSTED
        assert (await stub(channel).ServerLive(service_pb2.ServerLiveRequest())).live

    serve_grpc(story)


def test_a_port_in_use_is_an_error() -> None:
    async def run() -> None:
        port = await opened()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            with pytest.raises(ServingError, match=f"cannot listen on 127.0.0.1:{number}"):
                GrpcIngress(port.service, "127.0.0.1", number)
        await port.close()

    asyncio.run(run())
