"""One child process: started with a message on stdin, which stays open as its lifeline; always reaped."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipa.errors import ServingError

STOP_TIMEOUT_S = 3.0
_LINE_LIMIT = 4000


@dataclass(frozen=True, slots=True)
class Child:
    """A running child. Its stdin must stay open as long as it is to live."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self.process.returncode

    async def wait(self) -> int:
        return await self.process.wait()

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """SIGTERM, then SIGKILL after `timeout_s`; returns once it is reaped."""
        if self.exit_code is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), timeout_s)
        except TimeoutError:
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        if self.exit_code is None:
            self.process.kill()

    def last_line(self) -> str:
        """The last line it wrote to stderr: why it died, if it said so."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:_LINE_LIMIT] if lines else "it wrote nothing to stderr"

    def forget_empty_log(self) -> None:
        """A long run starts and stops many children: only what somebody may want to read is kept."""
        if self.log.stat().st_size == 0:
            self.log.unlink()


async def spawn(module: str, message: Mapping[str, Any], log: Path, stdout: int = subprocess.DEVNULL) -> Child:
    """Starts `python -m module` with `message` as its first line on stdin, stderr to `log` (truncated).

    The child gets a session of its own, so that ^C in the terminal reaches the parent alone. Raises ServingError
    if the system has no room for another process or file.
    """
    try:
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
    except OSError as error:
        raise ServingError(f"cannot start {module} (log {log}): {error.strerror}") from error
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    return Child(process, log)


async def first_line(child: Child, what: str, timeout_s: float) -> dict[str, Any]:
    """The JSON line that a child started with stdout=PIPE says once it listens.

    Raises ServingError, naming it as `what`, if it ends before or says nothing in time; the caller stops it then.
    """
    assert child.process.stdout is not None
    try:
        line = await asyncio.wait_for(child.process.stdout.readline(), timeout_s)
    except TimeoutError as error:
        raise ServingError(f"{what} does not listen after {timeout_s:g} s: {child.last_line()}") from error
    if not line:
        code = await child.wait()
        raise ServingError(f"{what} ended at start with exit code {code}: {child.last_line()}")
    said: dict[str, Any] = json.loads(line)
    return said
