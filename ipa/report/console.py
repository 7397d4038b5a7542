"""Where the tables for people go: a terminal at its own width, a pipe or a file at one that cuts nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 160
T = TypeVar("T")


def stdout_console() -> Console:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def stderr_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)


def watched(done: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The same, with a bar on stderr of how many of `total` are done; in a terminal only."""
    from rich.progress import track

    yield from track(done, what, total, console=stderr_console(), transient=True, disable=not sys.stderr.isatty())
