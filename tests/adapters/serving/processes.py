"""Looking at processes from outside: who is a child of whom, and whether somebody still lives."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def children(pid: int) -> tuple[int, ...]:
    return tuple(child.pid for child in psutil.Process(pid).children(recursive=True))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Polls; fails naming `what` if it does not come true. The bound only ends a hopeless wait."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, f"never came true: {what}"
        time.sleep(0.05)
