"""`python -m ipa.adapters.serving.sleep_server`: one replica that sleeps, over V2 gRPC on a free port of loopback.

The start message, one JSON line on stdin: {"name", "points": [[batch, latency_s]…], "tensors": {"takes", "returns",
"drawn"}}; stdin is also the lifeline. Says {"address"} on stdout once it listens.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
import struct
import sys
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from ipa.adapters.serving.lifeline import read_start_message
from ipa.adapters.serving.loopback import HOST
from ipa.adapters.serving.sleep_tensors import Drawn, StageTensors
from ipa.dataplane.grpc_messages import metadata
from ipa.latency.service_time import service_time_s

_FLOAT_BYTES = 4


class SleepingModel(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Works on one batch after the other, as a model does that has its cores to itself."""

    def __init__(self, start: dict[str, Any]) -> None:
        told = start["tensors"]
        self._name = start["name"]
        self._points = tuple((batch, latency_s) for batch, latency_s in start["points"])
        self._tensors = StageTensors(tuple(told["takes"]), told["returns"], tuple(Drawn(**d) for d in told["drawn"]))
        self._free_s = 0.0

    async def ModelReady(self, asked: Any, _context: Any) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=asked.name == self._name)

    async def ModelMetadata(self, _asked: Any, _context: Any) -> Any:  # noqa: N802
        return metadata(self._tensors.metadata(self._name))

    async def ModelInfer(self, asked: Any, context: Any) -> Any:  # noqa: N802
        """The first input as it came, when its time has come; INVALID_ARGUMENT if it holds no FP32."""
        loop = asyncio.get_running_loop()
        began_s = max(loop.time(), self._free_s)
        raw = asked.raw_input_contents[0] if asked.raw_input_contents else b""
        rows = len(raw) // _FLOAT_BYTES
        if rows == 0:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "takes FP32 of shape [n, 1] as raw contents")
        # From the call's arrival on, so that what the answer costs is part of the time and not added to it.
        self._free_s = began_s + service_time_s(self._points, rows)
        answer = self._answer(raw, rows)
        await asyncio.sleep(self._free_s - loop.time())
        return answer

    def _answer(self, raw: bytes, rows: int) -> Any:
        answer = service_pb2.ModelInferResponse(model_name=self._name)
        answer.outputs.add(name=self._tensors.returns, datatype="FP32", shape=[rows, 1])
        answer.raw_output_contents.append(raw)
        for drawn in self._tensors.drawn:
            answer.outputs.add(name=drawn.name, datatype="FP64", shape=[rows, 1])
            answer.raw_output_contents.append(struct.pack(f"<{rows}d", *_draw(drawn, rows)))
        return answer


def _draw(drawn: Drawn, rows: int) -> list[float]:
    """Each row for itself: a request of several rows takes a branch only if all of them agree."""
    values = [value for value, _ in drawn.shares]
    shares = [share for _, share in drawn.shares]
    return random.choices([*values, drawn.otherwise], [*shares, max(0.0, 1 - sum(shares))], k=rows)


async def _serve(start: dict[str, Any]) -> None:
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(SleepingModel(start), server)
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    sys.stdout.write(json.dumps({"address": f"{HOST}:{port}"}) + "\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def main() -> None:
    # epoll wakes up in whole milliseconds, select in microseconds; a server has few connections
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve(read_start_message()))


if __name__ == "__main__":
    main()
