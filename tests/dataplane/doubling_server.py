"""A real MLServer with one small model: each output is twice its input, and the rows its batch had.

Run as `python -m tests.dataplane.doubling_server`. The first line of stdin is {"name", "takes", "returns",
"delay_s", "http_port", "grpc_port"}; at the end of stdin the process exits. A negative input fails the call.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor


class Doubling(MLModel):  # type: ignore[misc]
    async def load(self) -> bool:
        extra = self.settings.parameters.extra
        self.inputs = [MetadataTensor(name=extra["takes"], datatype="FP32", shape=[-1, 2])]
        self.outputs = [MetadataTensor(name=extra["returns"], datatype="FP32", shape=[-1, 2])]
        self._returns, self._delay_s = extra["returns"], extra["delay_s"]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        array = NumpyCodec.decode_input(payload.inputs[0])
        await asyncio.sleep(self._delay_s)
        if (array < 0).any():
            raise ValueError("a negative input")
        doubled = NumpyCodec.encode_output(self._returns, array * 2)
        return InferenceResponse(model_name=self.name, outputs=[doubled])


def main() -> None:
    start: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(_serve(start))


async def _serve(start: dict[str, Any]) -> None:
    settings = Settings(
        host="127.0.0.1",
        http_port=start["http_port"],
        grpc_port=start["grpc_port"],
        grpc_max_message_length=-1,
        metrics_endpoint=None,
        parallel_workers=0,
    )
    extra = {key: start[key] for key in ("takes", "returns", "delay_s")}
    model = ModelSettings(name=start["name"], implementation=Doubling, parameters=ModelParameters(extra=extra))
    await MLServer(settings).start([model])


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
