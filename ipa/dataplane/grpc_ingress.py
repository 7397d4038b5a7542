"""The public gRPC port: the pipeline as one V2 model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from ipa.dataplane import grpc_messages, outcome
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.service import Receipt, Service
from ipa.dataplane.tensors import RequestError
from ipa.dataplane.web import BODY_LIMIT_BYTES, BODY_TIMEOUT_S, HEADER_LIMIT_BYTES
from ipa.errors import ServingError

_SERVICE = "inference.GRPCInferenceService"
# Error texts travel as a header, percent-encoded: at this length they stay below the 8 KiB that clients accept.
_DETAILS_LIMIT = 500

_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else a second router could share the port, and its requests, unnoticed
    ("grpc.max_receive_message_length", BODY_LIMIT_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", HEADER_LIMIT_BYTES),
    ("grpc.absolute_max_metadata_size", HEADER_LIMIT_BYTES),
    ("grpc.server_handshake_timeout_ms", 20_000),
    # A client whose machine is gone says no goodbye: unanswered pings free its places.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Clients that ping every 10 s or slower are welcome; the default would hang up on them.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
]

_CODES: Mapping[str, grpc.StatusCode] = {
    "deadline": grpc.StatusCode.DEADLINE_EXCEEDED,
    "queue-full": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "failed": grpc.StatusCode.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ends that gets no answer."""

    code: grpc.StatusCode
    details: str
    headers: tuple[tuple[str, str], ...] = ()


Context: TypeAlias = Any  # grpc.aio.ServicerContext; gRPC has no types
Method: TypeAlias = Callable[[Any, Receipt], Awaitable[Any]]  # its message to the answer, a Refusal or a Status


class GrpcIngress:
    """Create it inside the event loop; start, then stop. `port` is the one it listens on."""

    def __init__(self, service: Service, host: str, port: int) -> None:
        """`port` 0 takes any free one. Raises ServingError if nobody can listen there."""
        self._service = service
        self._version = version("ipa")
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, self._handlers()),))
        try:
            self.port: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise ServingError(f"cannot listen on {host}:{port}: {error}") from error

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """No new calls; those under way may finish for `grace_s`."""
        await self._server.stop(grace_s)

    def _handlers(self) -> dict[str, Any]:
        methods: dict[str, Method] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }
        # A unary call on the wire. Taken as a stream of requests, its one message is read here: within a time limit,
        # and bytes that are no message are told from a fault of the router.
        return {
            name: grpc.stream_unary_rpc_method_handler(
                partial(self._call, getattr(service_pb2, f"{name}Request"), method),
            )
            for name, method in methods.items()
        }

    async def _call(self, message_type: Any, method: Method, _: object, context: Context) -> bytes:
        receipt = self._service.receipt()
        try:
            asked = await _read(context, message_type)
            answer: Any = asked if isinstance(asked, Status) else await method(asked, receipt)
        except RequestError as broken:
            answer = Status(grpc.StatusCode.INVALID_ARGUMENT, str(broken))
        if isinstance(answer, Refusal):
            answer = _status(answer)
        if isinstance(answer, Status):
            await _abort(context, answer)
        return bytes(answer.SerializeToString())

    async def _server_live(self, _: Any, __: Receipt) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def _server_ready(self, _: Any, __: Receipt) -> Any:
        return service_pb2.ServerReadyResponse(ready=self._service.ready)

    async def _server_metadata(self, _: Any, __: Receipt) -> Any:
        return service_pb2.ServerMetadataResponse(name="ipa", version=self._version)

    async def _model_ready(self, asked: Any, _: Receipt) -> Any:
        unknown = self._unknown(asked.name, asked.version)
        return unknown or service_pb2.ModelReadyResponse(ready=self._service.ready)

    async def _model_metadata(self, asked: Any, _: Receipt) -> Any:
        if unknown := self._unknown(asked.name, asked.version):
            return unknown
        model = self._service.model
        return outcome.no_plan() if model is None else grpc_messages.metadata(model)

    async def _model_infer(self, asked: Any, receipt: Receipt) -> Any:
        if unknown := self._unknown(asked.model_name, asked.model_version):
            return unknown
        parse = partial(grpc_messages.parse_request, asked)
        return await self._service.infer(receipt, parse, grpc_messages.response)

    def _unknown(self, name: str, version: str) -> Status | None:
        if name == self._service.name and not version:
            return None
        rule = f"this router serves the model {self._service.name!r} alone, which has no versions"
        return Status(grpc.StatusCode.NOT_FOUND, rule)


async def _read(context: Context, message_type: Any) -> Any:
    """The call's message, or a Status if it does not come in time. Raises RequestError if it is none."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await context.read()
    except TimeoutError:
        return Status(grpc.StatusCode.DEADLINE_EXCEEDED, f"the message did not come within {BODY_TIMEOUT_S:g} s")
    if body is grpc.aio.EOF:
        raise RequestError("the call ended without a message")
    try:
        return message_type.FromString(body)
    except DecodeError as error:
        raise RequestError(f"the message is no {message_type.DESCRIPTOR.name}: {error}") from error


async def _abort(context: Context, status: Status) -> None:
    """Never returns."""
    try:
        await context.abort(status.code, status.details[:_DETAILS_LIMIT], status.headers)
    except grpc.aio.InternalError:  # the client left, or gRPC itself refused its message as too large
        raise asyncio.CancelledError from None


def _status(refusal: Refusal) -> Status:
    headers = tuple((name.lower(), value) for name, value in refusal.headers.items())
    return Status(_CODES[refusal.reason], refusal.message, headers)
