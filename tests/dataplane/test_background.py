from __future__ import annotations

import asyncio
import subprocess
import sys

from ipa.dataplane.background import Background


def test_a_crash_is_reported_and_a_cancellation_is_not() -> None:
    crashes: list[BaseException] = []

    async def crash() -> None:
        raise ValueError("broken")

    async def story() -> None:
        background = Background(crashes.append)
        background.start(crash())
        background.start(asyncio.sleep(60))
        await asyncio.sleep(0.01)
        await background.stop()

    asyncio.run(story())
    assert [str(error) for error in crashes] == ["broken"]


PROGRAM = """
import asyncio
from ipa.dataplane.background import Background
async def crash(): raise ValueError("broken")
async def main():
    Background().start(crash())
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_crash_ends_the_process_with_its_reason() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "ValueError: broken" in ended.stderr
