"""A V2 gRPC server of a few lines: each output is twice its input. It can also answer garbage.

Run as `python -m tests.dataplane.small_server`, with the start message of doubling_server and `garbage`: empty, a key
of GARBAGE, or name, datatype or junk. At the end of stdin the process exits.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

# What is wrong with an answer, by name: shape and raw contents instead of the right ones.
GARBAGE: Mapping[str, Callable[[list[int], bytes], tuple[list[int], list[bytes]]]] = {
    "rows": lambda shape, raw: ([shape[0] + 1, 2], [raw + raw[:8]]),
    "bytes": lambda shape, raw: (shape, [raw[:-1]]),
    "contents": lambda shape, raw: (shape, []),
    "negative": lambda shape, raw: ([-shape[0], -2], [raw]),
    "scalar": lambda shape, raw: ([], [raw[:4]]),
}


class Doubling(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, start: Mapping[str, Any]) -> None:
        self._start = start

    async def ModelReady(self, asked: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=True)

    async def ModelMetadata(self, asked: Any, context: Any) -> Any:  # noqa: N802
        answer = service_pb2.ModelMetadataResponse(name=asked.name)
        answer.inputs.add(name=self._start["takes"], datatype="FP32", shape=[-1, 2])
        answer.outputs.add(name=self._start["returns"], datatype="FP32", shape=[-1, 2])
        return answer

    async def ModelInfer(self, asked: Any, context: Any) -> Any:  # noqa: N802
        await asyncio.sleep(self._start["delay_s"])
        shape, raw = list(asked.inputs[0].shape), (np.frombuffer(asked.raw_input_contents[0], "<f4") * 2).tobytes()
        garbage = self._start["garbage"]
        shape, contents = GARBAGE[garbage](shape, raw) if garbage in GARBAGE else (shape, [raw])
        answer = service_pb2.ModelInferResponse(model_name=asked.model_name)
        name = "other" if garbage == "name" else self._start["returns"]
        answer.outputs.add(name=name, datatype="FP64" if garbage == "datatype" else "FP32", shape=shape)
        answer.raw_output_contents.extend(contents)
        return answer


class _Junk:
    """Instead of an answer, bytes that are no message at all."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        return b"\xff" * 64


class Babbling(Doubling):
    async def ModelInfer(self, asked: Any, context: Any) -> Any:  # noqa: N802
        return _Junk()


async def serve(start: Mapping[str, Any]) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service = (Babbling if start["garbage"] == "junk" else Doubling)(start)
    methods = {
        name: grpc.unary_unary_rpc_method_handler(
            getattr(service, name),
            request_deserializer=getattr(service_pb2, f"{name}Request").FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
        for name in ("ModelReady", "ModelMetadata", "ModelInfer")
    }
    handler = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods)
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{start['grpc_port']}")
    await server.start()
    await server.wait_for_termination()


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    message = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(serve(message))
