"""A V2 gRPC server that computes nothing, on threads of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

Answer = Callable[[Any, grpc.ServicerContext], Any]
"""(ModelInferRequest, context) → ModelInferResponse."""


def raw(datatype: str, content: bytes) -> Any:
    """A response whose one output is in raw contents."""
    output = service_pb2.ModelInferResponse.InferOutputTensor(name="digit", datatype=datatype, shape=[1])
    return service_pb2.ModelInferResponse(outputs=[output], raw_output_contents=[content])


def typed(datatype: str, **contents: list[Any]) -> Any:
    """A response whose one output is in typed contents, as int64_contents=[3]."""
    output = service_pb2.ModelInferResponse.InferOutputTensor(name="digit", datatype=datatype, shape=[1])
    for field, values in contents.items():
        getattr(output.contents, field).extend(values)
    return service_pb2.ModelInferResponse(outputs=[output])


def first_pixel(request: Any, _context: grpc.ServicerContext) -> Any:
    """Right where label = first pixel."""
    return raw("INT64", np.frombuffer(request.raw_input_contents[0], "<f4")[:1].astype("<i8").tobytes())


@contextmanager
def null_grpc_server(answer: Answer = first_pixel) -> Iterator[str]:
    """Its host:port, while the block lasts; it serves the model `digits`."""

    class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
        def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
            if request.name != "digits":
                context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.name}")
            tensor = service_pb2.ModelMetadataResponse.TensorMetadata(name="image", datatype="FP32", shape=[-1, 2, 2])
            return service_pb2.ModelMetadataResponse(name="digits", inputs=[tensor])

        def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
            return answer(request, context)

    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
