"""The V2 gRPC client of one replica: tensors go as raw contents, faster than JSON. Knows nothing of the router."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import prod
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import DATATYPES, DTYPES, Array, TensorSpec
from ipa.errors import ServingError, Unavailable

PROBE_TIMEOUT_S = 5.0

# What a living server says when its model raises on what it was given; every other code is the server's own fault.
_MODEL_CODES = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "INTERNAL", "UNKNOWN"})

_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A proxy named in the environment must not see calls to a neighbour.
    ("grpc.enable_http_proxy", 0),
    # A replica that comes back should be seen within the second; the default backs off to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Each replica has its own connection, even if two had the same address one after the other.
    ("grpc.use_local_subchannel_pool", 1),
]


class ModelError(ServingError):
    """The server lives and its model failed on these inputs: asking another server the same may not help."""


class Replica:
    """One model on one V2 server. Create it inside the event loop that uses it; close() it at the end."""

    def __init__(self, address: str, model: str) -> None:
        """`address` is host:port of the server's gRPC port, `model` the name it serves."""
        self.address = address
        self.model = model
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def connect(self, timeout_s: float) -> None:
        """Return once the connection stands. Raises Unavailable after `timeout_s`."""
        try:
            await asyncio.wait_for(self._channel.channel_ready(), timeout_s)
        except TimeoutError as error:
            raise Unavailable(f"{self.address}: no V2 gRPC server within {timeout_s:g} s") from error

    async def ready(self) -> bool:
        """Whether the model is loaded and answers; a server that cannot be reached is not ready."""
        asked = service_pb2.ModelReadyRequest(name=self.model)
        try:
            return bool((await self._call(self._stub.ModelReady, asked, PROBE_TIMEOUT_S)).ready)
        except (Unavailable, ServingError):
            return False

    async def metadata(self) -> ModelMetadata:
        """Names, datatypes and shapes of the model's tensors. Raises Unavailable or ServingError."""
        asked = service_pb2.ModelMetadataRequest(name=self.model)
        answer = await self._call(self._stub.ModelMetadata, asked, PROBE_TIMEOUT_S)
        return ModelMetadata(answer.name, _specs(answer.inputs), _specs(answer.outputs))

    async def infer(self, inputs: Mapping[str, Array], timeout_s: float | None = None) -> dict[str, Array]:
        """The model's outputs for `inputs`, by name. None waits without end.

        Raises ModelError if the model fails on them, Unavailable if the server does not answer in time,
        ServingError if its answer is not valid V2 with raw contents. The arrays are read-only views.
        """
        asked = service_pb2.ModelInferRequest(model_name=self.model)
        for name, array in inputs.items():
            datatype = DATATYPES[array.dtype]
            asked.inputs.add(name=name, datatype=datatype, shape=array.shape)
            asked.raw_input_contents.append(array.tobytes())
        answer = await self._call(self._stub.ModelInfer, asked, timeout_s)
        return self._outputs(answer)

    async def close(self) -> None:
        await self._channel.close()

    async def _call(self, method: Any, asked: Any, timeout_s: float | None) -> Any:
        try:
            answer = await method(asked, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            message = f"model {self.model!r} at {self.address}: {code}: {error.details()}"
            raise (ModelError if code in _MODEL_CODES else Unavailable)(message) from error
        if answer is None:  # what grpc.aio gives for bytes that it cannot decode
            raise ServingError(f"model {self.model!r} at {self.address}: answered what is no V2 message")
        return answer

    def _outputs(self, answer: Any) -> dict[str, Array]:
        where = f"model {self.model!r} at {self.address}"
        if len(answer.outputs) != len(answer.raw_output_contents):
            raise ServingError(f"{where}: answered without raw contents")
        outputs: dict[str, Array] = {}
        for tensor, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
            dtype = DTYPES.get(tensor.datatype)
            if dtype is None:
                raise ServingError(f"{where}: output {tensor.name!r} is {tensor.datatype}, not supported")
            shape = tuple(tensor.shape)
            if any(size < 0 for size in shape) or len(raw) != prod(shape) * dtype.itemsize:
                raise ServingError(f"{where}: output {tensor.name!r}: {len(raw)} bytes for shape {list(shape)}")
            outputs[tensor.name] = np.frombuffer(raw, dtype).reshape(shape)
        return outputs


def _specs(tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in tensors)
