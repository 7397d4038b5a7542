"""`ipa serve` of a pipeline with a diamond, a branch and full batches, from its YAML to its answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from ipa.adapters import state
from ipa.adapters.state import RunState
from tests.adapters.serving import fork
from tests.adapters.serving.processes import wait_until
from tests.adapters.serving.test_serve_command import start

pytestmark = pytest.mark.slow


def test_requests_fork_join_and_branch_each_on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    config = fork.write_config(tmp_path)
    with start(str(config), "--port", "0", "--rate", "20") as process:
        try:
            wait_until(lambda: process.poll() is not None or _is_ready(), "ready", timeout_s=120)
            assert process.poll() is None, process.communicate()[1]
            found = state.attach("fork")
            assert found is not None
            asyncio.run(_ask(found))
            process.terminate()
            _, stderr = process.communicate(timeout=60)
            assert process.returncode == 0, stderr
        finally:
            process.kill()


async def _ask(found: RunState) -> None:
    url = f"{found.url}/v2/models/fork"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as metadata:
            document = await metadata.json()
        assert [tensor["name"] for tensor in document["inputs"]] == ["x"]
        assert [tensor["name"] for tensor in document["outputs"]] == ["z", "negative"]

        async def send(*values: float) -> dict[str, Any]:
            async with session.post(f"{url}/infer", json=fork.body(*values)) as response:
                assert response.status == 200, await response.text()
                return fork.answer(await response.json())

        requests = [(float(value),) for value in range(21)] + [(1.0, 20.0), (11.0, 12.0, 13.0)]
        answers = await asyncio.gather(*(send(*values) for values in requests))
        assert answers == [fork.expected(*values) for values in requests]
        async with session.get(f"{found.url}/metrics") as metrics:
            lines = (await metrics.text()).splitlines()
        taken = sum(min(values) > 10 for values in requests)
        assert f'ipa_stage_latency_seconds_count{{stage="join"}} {len(requests)}.0' in lines
        assert f'ipa_stage_latency_seconds_count{{stage="large"}} {taken}.0' in lines


def _is_ready() -> bool:
    found = state.attach("fork")
    try:
        return found is not None and httpx.get(f"{found.url}/v2/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
