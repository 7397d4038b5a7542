"""The child's end of the pipe: a start message, then silence; its end means that the parent is gone."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

_STDIN = 0


def read_start_message() -> dict[str, Any]:
    """The JSON line on stdin. From then on this process exits at once when stdin ends: no orphan, on any system."""
    # Unbuffered: a thread that waits inside sys.stdin's lock would break the interpreter's shutdown.
    with open(_STDIN, "rb", buffering=0, closefd=False) as stdin:
        message: dict[str, Any] = json.loads(stdin.readline())
    threading.Thread(target=_exit_at_end, name="lifeline", daemon=True).start()
    return message


def terminate_at_end_of_stdin() -> None:
    """From now on the end of stdin is a SIGTERM: for a parent that wants an orderly stop, however it ends itself."""
    threading.Thread(target=_terminate_at_end, name="lifeline", daemon=True).start()


def _exit_at_end() -> None:
    _wait_for_end()
    os._exit(1)


def _terminate_at_end() -> None:
    _wait_for_end()
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_end() -> None:
    while os.read(_STDIN, 1024):
        pass
