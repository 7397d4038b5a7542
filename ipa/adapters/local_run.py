"""The local run a command works on: one that is there already, or one that the command starts and stops."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ipa.adapters.state import RunState, attach
from ipa.errors import ServingError, Unavailable, UsageError

STOP_TIMEOUT_S = 12.0  # `ipa serve` promises to be gone within 10 s
_POLL_S = 0.1


def running(name: str) -> RunState:
    """The run of `name`. Raises UsageError if nothing runs."""
    state = attach(name)
    if state is None:
        raise UsageError(f"nothing runs for pipeline {name!r} on this machine: start `ipa serve` first")
    return state


@contextmanager
def running_or_started(
    name: str, config: Path, ports: tuple[int, int | None], rate_rps: float, *, keep: bool
) -> Iterator[RunState]:
    """The run of `name`; if none runs, `ipa serve` is started, and stopped at the end unless `keep`.

    `ports`: for REST, and for gRPC (None: as `ipa serve` chooses).

    Raises ServingError with what `ipa serve` said if it does not get ready.
    """
    state = attach(name)
    if state is not None:
        yield state
        return
    port, grpc_port = ports
    command = [sys.executable, "-m", "ipa", "serve", str(config), "--port", str(port), "--rate", repr(rate_rps)]
    command += [] if grpc_port is None else ["--grpc-port", str(grpc_port)]
    # Without `keep` the pipe on stdin is a lifeline: the run ends with this process, however that ends.
    lifeline = [] if keep else ["--until-stdin-ends"]
    # A file, not a pipe: a run that is kept must be able to write after this process has gone.
    with TemporaryFile() as said:
        process = subprocess.Popen(
            command + lifeline,
            stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        kept = False
        try:
            state = _ready(name, process, said)
            kept = keep
            yield state
        finally:
            if not kept:
                _stop(process)


def _ready(name: str, process: subprocess.Popen[bytes], said: IO[bytes]) -> RunState:
    """The state once every replica is warm."""
    while process.poll() is None:
        state = attach(name)
        if state is not None and _is_warm(state):
            return state
        time.sleep(_POLL_S)
    said.seek(0)
    raise ServingError(f"the pipeline could not be started:\n{said.read().decode(errors='replace').strip()}")


def _is_warm(state: RunState) -> bool:
    """Whether its plan runs; a run that does not answer is about to say why it ends."""
    from ipa.adapters.local_cluster import LocalCluster

    with closing(LocalCluster(state)) as cluster:
        try:
            return cluster.live() is not None and cluster.ready()
        except Unavailable:
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """In order, or at once if it takes too long or ^C comes again."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
