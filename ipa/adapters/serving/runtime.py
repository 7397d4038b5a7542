"""What a serving runtime is: how the replicas of a pipeline become processes. The registry is in runtimes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ipa.adapters.payload import Payload
from ipa.adapters.serving.child import Child
from ipa.domain import Allocation, Config
from ipa.errors import Violation


@dataclass(frozen=True, slots=True)
class At:
    """Where a replica in the foreground listens."""

    host: str
    http_port: int
    grpc_port: int


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process that speaks V2 gRPC at `address`, at once or soon."""

    child: Child
    address: str


class ModelServer(Protocol):
    """One model and the program that serves it, as a value; str() names the model in errors."""

    @property
    def warm_up_calls(self) -> int:
        """How many calls at a batch it takes until the next is as fast as all later ones."""

    async def spawn(self, name: str, log: Path, until_warm: ExitStack) -> Spawned:
        """Starts it, serving the model under `name`, stderr to `log`; nothing is left if it raises ServingError.

        `until_warm` takes what must be held until it answers. If somebody took its port all the same, the process
        exits with model_server.PORT_TAKEN.
        """

    def serve(self, name: str, at: At) -> None:
        """Serves in this process until SIGTERM or SIGINT; `/v2/models/NAME/ready` on the HTTP port once it is loaded.

        Raises ServingError.
        """


@dataclass(frozen=True, slots=True)
class Runtime:
    """One entry of RUNTIMES.

    `problems`: what keeps a config from being served so. `server`: what a replica of an allocation runs; raises
    ServingError. `payload`: what `ipa load` sends if nobody names a file; None if it cannot know.
    """

    problems: Callable[[Config], Iterable[Violation]]
    server: Callable[[Config, Allocation], ModelServer]
    payload: Payload | None = None
