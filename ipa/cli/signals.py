"""What SIGTERM and ^C do to a command that changes a pipeline."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipa.adapters.clock import StoppableClock
    from ipa.domain import Config


def stopped_by_signals(configs: Sequence[Config]) -> StoppableClock:
    """A clock that SIGTERM and ^C stop, so that a change in a cluster is finished or undone; a second ^C does not wait.

    What runs on this machine is changed by the process that runs it, which needs nobody to wait: there they end this
    process at once, as ever.
    """
    from ipa.adapters.clock import StoppableClock

    clock = StoppableClock()
    if any(config.cluster.kind == "local" for config in configs):
        return clock

    def interrupt(*_: object) -> None:
        clock.stop(130)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGTERM, lambda *_: clock.stop())
    signal.signal(signal.SIGINT, interrupt)
    return clock


def exit_on_sigterm() -> None:
    """In order, with 0: whatever was started is stopped on the way out."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(*_: object) -> None:
    raise SystemExit(0)
