"""`python -m ipa.adapters.serving.sleep_server`: one replica that sleeps, over V2 gRPC on a free port of loopback.

The start message, one JSON line on stdin: {"name", "service_s": [of 1, 2 … requests], "tensors": {"takes", "returns",
"drawn"}}; stdin is also the lifeline. Says {"address"} on stdout once it listens.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
import struct
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from ipa.adapters.serving.lifeline import read_start_message
from ipa.adapters.serving.loopback import HOST
from ipa.adapters.serving.sleep_tensors import INPUT, Drawn, StageTensors
from ipa.dataplane.grpc_messages import metadata
from ipa.dataplane.replica import Replica
from ipa.errors import ServingError

PROBES = 10
PROBE_S = 0.01

_FLOAT_BYTES = 4


class SleepingModel(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Works on one batch after the other, as a model does that has its cores to itself."""

    def __init__(self, name: str, service_s: Sequence[float], tensors: StageTensors, way_s: float) -> None:
        """`way_s`: what a call takes beyond the sleep; the profile's latencies, seen from a client, hold it too."""
        self._name = name
        self._service_s = service_s
        self._tensors = tensors
        self._way_s = way_s
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
        self._free_s = began_s + max(0.0, _extended(self._service_s, rows) - self._way_s)
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


def _extended(service_s: Sequence[float], rows: int) -> float:
    """Beyond the table, for a request that is larger than any batch, with its last step."""
    step_s = service_s[-1] - service_s[-2] if len(service_s) > 1 else 0.0
    return service_s[min(rows, len(service_s)) - 1] + step_s * max(0, rows - len(service_s))


def _draw(drawn: Drawn, rows: int) -> list[float]:
    """Each row for itself: a request of several rows takes a branch only if all of them agree."""
    values = [value for value, _ in drawn.shares]
    shares = [share for _, share in drawn.shares]
    return random.choices([*values, drawn.otherwise], [*shares, max(0.0, 1 - sum(shares))], k=rows)


async def listen(model: SleepingModel, host: str = HOST, port: int = 0) -> tuple[Any, str]:
    """The server, listening, and its address. Raises ServingError if it cannot."""
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(model, server)
    try:
        port = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise ServingError(f"cannot listen for gRPC on {host}:{port}: {error}") from error
    await server.start()
    return server, f"{host}:{port}"


async def way_s() -> float:
    """What a call takes beyond its sleep: client, server and the way between them, all in this process.

    In CPU time, the median: by the clock, calls at the start of many replicas would wait for a core.
    """
    server, address = await listen(SleepingModel("probe", [PROBE_S], StageTensors((INPUT,), INPUT, ()), 0.0))
    replica = Replica(address, "probe")
    taken_s = []
    try:
        for _ in range(PROBES):
            began_s = time.process_time()
            await replica.infer({INPUT: np.zeros((1, 1), np.float32)})
            taken_s.append(time.process_time() - began_s)
    finally:
        await replica.close()
        await server.stop(None)
    return median(taken_s)


async def _serve(start: dict[str, Any]) -> None:
    told = start["tensors"]
    tensors = StageTensors(tuple(told["takes"]), told["returns"], tuple(Drawn(**drawn) for drawn in told["drawn"]))
    server, address = await listen(SleepingModel(start["name"], start["service_s"], tensors, await way_s()))
    sys.stdout.write(json.dumps({"address": address}) + "\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def precise_loop() -> asyncio.AbstractEventLoop:
    """epoll wakes up in whole milliseconds, select in microseconds; a server has few connections."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main() -> None:
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(_serve(read_start_message()))


if __name__ == "__main__":
    main()
