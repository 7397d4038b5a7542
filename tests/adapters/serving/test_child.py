from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ipa.adapters.serving.child import Child, spawn
from ipa.errors import ServingError
from tests.adapters.serving.processes import alive

STUBBORN = "tests.adapters.serving.stubborn"


def story(folder: Path, tell: Callable[[Child], Awaitable[None]]) -> None:
    """A stubborn child that has read its message."""

    async def play() -> None:
        child = await spawn(STUBBORN, {"word": "hello"}, folder / "child.log")
        try:
            while "hello" not in child.log.read_text():
                assert child.exit_code is None, child.log.read_text()
                await asyncio.sleep(0.02)
            await tell(child)
        finally:
            child.kill()
            await child.wait()

    asyncio.run(play())


def test_it_gets_its_message_and_its_last_line_is_kept(tmp_path: Path) -> None:
    (tmp_path / "child.log").write_text("of an earlier run")

    async def tell(child: Child) -> None:
        assert child.last_line() == "stubborn: hello"
        assert "earlier" not in child.log.read_text()

    story(tmp_path, tell)


def test_who_ignores_sigterm_is_killed_and_reaped(tmp_path: Path) -> None:
    async def tell(child: Child) -> None:
        await child.stop(timeout_s=0.2)
        assert child.exit_code == -signal.SIGKILL
        assert not alive(child.pid)
        await child.stop()  # once more does no harm

    story(tmp_path, tell)


def test_it_ends_with_its_lifeline(tmp_path: Path) -> None:
    async def tell(child: Child) -> None:
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert await child.wait() == 1

    story(tmp_path, tell)


def test_an_interrupt_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    async def tell(child: Child) -> None:
        assert os.getpgid(child.pid) != os.getpgid(0)

    story(tmp_path, tell)


def test_a_process_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"tests\.adapters.*No such file"):
        asyncio.run(spawn(STUBBORN, {}, tmp_path / "no folder" / "child.log"))


def test_only_logs_with_words_in_them_are_kept(tmp_path: Path) -> None:
    async def tell(child: Child) -> None:
        child.forget_empty_log()
        assert child.log.exists()
        child.log.write_text("")
        child.forget_empty_log()
        assert not child.log.exists()

    story(tmp_path, tell)
