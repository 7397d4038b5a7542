"""What the load generator needs of a protocol: requests out, replies back. One file each: load_http, load_grpc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ipa.adapters.payload import Bodies, InputTensor
from ipa.workload.ledger import Reply

Abort = Callable[[], object]
"""Gives up a request: its reply is not told any more."""

Tell = Callable[[int, Reply], None]
"""What became of the request of that number. Never called from inside send()."""

Encode = Callable[[str, InputTensor, NDArray[np.float32]], bytes]
"""Model name, its input, one sample → the body that is sent."""


class Wire(Protocol):
    """Connections to one server, inside a running event loop. Holds no more of them than requests in flight."""

    def send(self, request: int, sample: int) -> Abort:
        """Send sample `sample` as request number `request`; returns at once."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LoadProtocol:
    """One entry of load_target.PROTOCOLS.

    `check_url`: the URL in its one form; raises UsageError. `fetch_metadata`: URL and model name → V2 metadata as in
    JSON; raises Unavailable and UsageError. `open`: URL, model name, bodies, whom to tell → the wire.
    """

    check_url: Callable[[str], str]
    fetch_metadata: Callable[[str, str], dict[str, Any]]
    encode: Encode
    open: Callable[[str, str, Bodies, Tell], Wire]
