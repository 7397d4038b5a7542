"""gRPC for the load generator: V2 with raw contents, all requests as calls on one HTTP/2 connection."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipa.adapters.payload import Bodies, InputTensor
from ipa.adapters.wire import Abort, LoadProtocol, Tell, Wire
from ipa.errors import Unavailable, UsageError
from ipa.workload.ledger import Reply
from ipa.workload.summary import ANSWERED, DROPPED, FAILED

METADATA_TIMEOUT_S = 5.0
SCHEME = "grpc://"
INFER = "/inference.GRPCInferenceService/ModelInfer"

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # a proxy named in the environment must not see calls to this machine
    ("grpc.enable_http_proxy", 0),
    # a server that comes back should be seen within the second; the default backs off to two minutes
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # also the shortest time to connect in (gRPC's connection-backoff.md): less would give up distant servers
    ("grpc.min_reconnect_backoff_ms", 5000),
    # two loads in one process (the warm-up and the trace) do not share a connection that one of them closes
    ("grpc.use_local_subchannel_pool", 1),
]
# What a server says that refuses work, as 503 and 504 over HTTP. UNAVAILABLE is not among them: gRPC itself reports a
# server that cannot be reached by it.
_REFUSALS = ("RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")


def check_url(url: str) -> str:
    """host:port, with or without grpc:// before it → grpc://host:port. Raises UsageError."""
    address = url.removeprefix(SCHEME).rstrip("/")
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise UsageError(f"{url}: is no gRPC address, as in grpc://127.0.0.1:8081")
    return SCHEME + address


def fetch_metadata(url: str, pipeline: str) -> dict[str, Any]:
    """The ModelMetadata call. Raises Unavailable if nothing (yet) answers there, UsageError if it has no such model."""
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    with grpc.insecure_channel(url.removeprefix(SCHEME), options=_OPTIONS) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            found = stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=pipeline), timeout=METADATA_TIMEOUT_S)
        except grpc.RpcError as error:
            message = f"{url}: model {pipeline!r}: {error.code().name}: {error.details()}"
            if error.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"):
                raise Unavailable(message) from error
            raise UsageError(message) from error
    return {
        "inputs": [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)} for tensor in found.inputs
        ]
    }


def encode(model: str, tensor: InputTensor, row: NDArray[np.float32]) -> bytes:
    """One sample as a serialised ModelInferRequest."""
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=[1, *row.shape])
    request.raw_input_contents.append(row.tobytes())
    encoded: bytes = request.SerializeToString()
    return encoded


def open_wire(url: str, _pipeline: str, bodies: Bodies, tell: Tell) -> Wire:
    return GrpcWire(url.removeprefix(SCHEME), bodies, tell)


class GrpcWire:
    def __init__(self, address: str, bodies: Bodies, tell: Tell) -> None:
        import grpc

        self._bodies = bodies
        self._tell = tell
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        # no serialisers: bytes go out as they were encoded, and bytes come back
        self._infer = self._channel.unary_unary(INFER)
        self._error = grpc.aio.AioRpcError

    def send(self, request: int, sample: int) -> Abort:
        call = self._call(request, self._bodies.body(sample))
        return asyncio.get_running_loop().create_task(call).cancel

    async def close(self) -> None:
        await self._channel.close()

    async def _call(self, request: int, body: bytes) -> None:
        try:
            answer = await self._infer(body)
        except self._error as error:
            self._tell(request, _judge(error))
        else:
            at_s = time.perf_counter()
            self._tell(request, Reply(ANSWERED, "", at_s, _first_value(answer)))


def _judge(error: Any) -> Reply:
    """Dropped is what the trailer x-ipa-drop calls so and, from any other server, _REFUSALS."""
    code = error.code().name
    drop = dict(error.trailing_metadata() or ()).get("x-ipa-drop")
    if drop:
        return Reply(DROPPED, str(drop))
    return Reply(DROPPED if code in _REFUSALS else FAILED, code.lower().replace("_", "-"))


def _first_value(answer: bytes) -> object:
    """The first value of the first output, whether in raw contents or typed; None if there is none."""
    from google.protobuf.message import DecodeError
    from tritonclient.grpc import service_pb2

    try:
        response = service_pb2.ModelInferResponse.FromString(answer)
    except DecodeError:
        return None
    if not response.outputs:
        return None
    if response.raw_output_contents:
        return _first_raw(response.outputs[0].datatype, response.raw_output_contents[0])
    fields = response.outputs[0].contents.ListFields()
    value: object = fields[0][1][0] if fields else None
    return _text(value) if isinstance(value, bytes) else value


def _first_raw(datatype: str, raw: bytes) -> object:
    from ipa.dataplane.tensors import DTYPES

    if datatype == "BYTES":  # each element behind its length, 4 bytes little-endian
        length = int.from_bytes(raw[:4], "little")
        return _text(raw[4 : 4 + length]) if 4 <= 4 + length <= len(raw) else None
    dtype = DTYPES.get(datatype)
    if dtype is None or len(raw) < dtype.itemsize:
        return None
    return np.frombuffer(raw, dtype, count=1)[0].item()


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")


GRPC = LoadProtocol(check_url, fetch_metadata, encode, open_wire)
