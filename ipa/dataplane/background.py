"""Work that runs beside the requests. If it crashes the process ends: a router that lost a part must not go on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)


def end_process(error: BaseException) -> None:
    """Log `error` and exit 1 at once; the parent sees it and starts a new router."""
    log.critical("an internal part crashed, the router ends", exc_info=error)
    logging.shutdown()
    os._exit(1)


class Background:
    def __init__(self, on_crash: Callable[[BaseException], None] = end_process) -> None:
        self._on_crash = on_crash
        self._running: set[asyncio.Task[None]] = set()  # asyncio itself keeps weak references only

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        running = asyncio.get_running_loop().create_task(work)
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    async def stop(self) -> None:
        """Cancel what still runs and wait for it."""
        running = tuple(self._running)
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, ended: asyncio.Task[None]) -> None:
        self._running.discard(ended)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            self._on_crash(error)
