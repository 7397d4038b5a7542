"""The model server of the project with MLServer's own batching on: what the router's central queue is compared with.

Run as `python -m scripts.benchmarks.adaptive_server`. The start message is that of the model server, with
`max_batch_size` and `max_batch_time_s` beside it. The model runs in the event loop as it does there, which serves
MLServer best: with the model in a thread its batcher hands over one short batch after the other while the first still
runs (p99 of 1 to 4 s at 90 % of capacity where this one has 0.1 to 0.2 s).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mlserver import MLServer, Settings

from ipa.adapters.serving.lifeline import read_start_message
from ipa.adapters.serving.onnx_model import open_session, settings_of


async def _serve(start: dict[str, Any]) -> None:
    settings = Settings(
        debug=False,
        host=start["host"],
        http_port=start["http_port"],
        grpc_port=start["grpc_port"],
        parallel_workers=0,
        metrics_endpoint=None,
        load_models_at_startup=False,
        gzip_enabled=False,
    )
    model = settings_of(start["name"], open_session(Path(start["model"]), start["cores"]))
    model.max_batch_size = start["max_batch_size"]
    model.max_batch_time = start["max_batch_time_s"]
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(_serve(read_start_message()))
