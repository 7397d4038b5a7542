"""`serving: {runtime: sleep}`: replicas that take the time the profile says, and compute nothing. No models needed.

Everything else is real: processes, gRPC, the router, its queues, batches and drops. So a pipeline can be rehearsed
where its models are not, and the simulator can be held against the router.
"""

from __future__ import annotations

import subprocess
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ipa.adapters.payload import Payload
from ipa.adapters.serving.child import first_line, spawn
from ipa.adapters.serving.runtime import At, Runtime, Spawned
from ipa.adapters.serving.sleep_tensors import StageTensors, stage_tensors, tensor_problems
from ipa.domain import Allocation, Config
from ipa.errors import ServingError
from ipa.remaining import measured
from ipa.simulation.service import mean

START_TIMEOUT_S = 60.0  # many start at once, on few cores


@dataclass(frozen=True, slots=True)
class SleepServer:
    """Answers n requests after `service_s[n − 1]` seconds."""

    service_s: tuple[float, ...]
    tensors: StageTensors

    @property
    def warm_up_calls(self) -> int:
        return 0

    async def spawn(self, name: str, log: Path, _until_warm: ExitStack) -> Spawned:
        message = {"name": name, "service_s": self.service_s, "tensors": asdict(self.tensors)}
        async with AsyncExitStack() as unless_up:
            child = await spawn("ipa.adapters.serving.sleep_server", message, log, stdout=subprocess.PIPE)
            unless_up.push_async_callback(child.stop)
            said = await first_line(child, f"the sleeping server of {name}", START_TIMEOUT_S)
            unless_up.pop_all()
        return Spawned(child, said["address"])

    def serve(self, name: str, at: At) -> None:
        from ipa.adapters.serving.sleep_foreground import serve_foreground

        serve_foreground(name, self.service_s, self.tensors, at)

    def __str__(self) -> str:
        return "sleep"


def _server(config: Config, a: Allocation) -> SleepServer:
    """Raises ServingError if nobody measured such a replica."""
    rows = measured(config.pipeline.measurements, a)
    if not rows:
        what = f"{a.stage}/{a.variant} on {a.hardware} with {a.cores} core{'s' if a.cores != 1 else ''}"
        raise ServingError(f"{what}: nobody measured it in {config.profiles}, so nobody knows how long to sleep")
    largest = max(a.batch, *(row.batch for row in rows)) + 1
    return SleepServer(tuple(mean(rows, largest)[0].tolist()), stage_tensors(config.pipeline.stages)[a.stage])


# One request of zeros, and no right answer: whatever comes back is neither right nor wrong.
_ZEROS = Payload(Path("zeros"), np.zeros((1, 1), np.float32), np.array([None]))

SLEEP = Runtime(lambda config: tensor_problems(config.pipeline), _server, _ZEROS)
