"""Work spread over processes: the results in the order of the items, the same whatever the number of processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """`work` is a function of a module, so that a new process finds it."""
    if workers == 1:
        yield from map(work, items)
        return
    # spawned, not forked: numba and numpy have threads; a Pool ends its processes at once on ^C
    with get_context("spawn").Pool(workers, _leave_interrupts_to_the_parent) as pool:
        yield from pool.imap(work, items)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
