"""The V2 gRPC client against a real MLServer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from ipa.dataplane.replica import ModelError, Replica
from ipa.dataplane.tensors import TensorSpec
from ipa.errors import Unavailable
from tests.dataplane.processes import Server, free_ports, model_servers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with model_servers() as servers:
        yield servers.start("one")[0]


def test_metadata_ready_and_infer(server: Server) -> None:
    async def story() -> None:
        replica = Replica(server.address, "one")
        await replica.connect(10.0)
        assert await replica.ready()
        metadata = await replica.metadata()
        assert metadata.name == "one"
        assert metadata.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
        assert metadata.outputs == (TensorSpec("y", "FP32", (-1, 2)),)
        sent = np.array([[0.1, 3e38], [-0.0, 1e-45]], np.float32) / 2
        answer = await replica.infer({"x": sent}, timeout_s=10.0)
        assert list(answer) == ["y"]
        np.testing.assert_array_equal(answer["y"], sent * 2)
        await replica.close()

    asyncio.run(story())


def test_a_message_of_many_megabytes_passes(server: Server) -> None:
    async def story() -> None:
        replica = Replica(server.address, "one")
        sent = np.ones((400_000, 2), np.float32)
        np.testing.assert_array_equal((await replica.infer({"x": sent}))["y"], sent * 2)
        await replica.close()

    asyncio.run(story())


def test_an_error_inside_the_model_is_told_from_a_model_that_is_not_there(server: Server) -> None:
    async def story() -> None:
        replica = Replica(server.address, "one")
        with pytest.raises(ModelError, match=f"model 'one' at {server.address}: INTERNAL: a negative input"):
            await replica.infer({"x": np.full((1, 2), -1, np.float32)})
        await replica.close()
        other = Replica(server.address, "other")
        assert not await other.ready()
        with pytest.raises(Unavailable, match="model 'other' at"):
            await other.metadata()
        await other.close()

    asyncio.run(story())


def test_nobody_there_is_unavailable() -> None:
    async def story() -> None:
        replica = Replica(f"127.0.0.1:{free_ports(1)[0]}", "one")
        with pytest.raises(Unavailable, match=r"no V2 gRPC server within 0.2 s"):
            await replica.connect(0.2)
        assert not await replica.ready()
        with pytest.raises(Unavailable, match="UNAVAILABLE"):
            await replica.infer({"x": np.ones((1, 2), np.float32)}, timeout_s=5.0)
        await replica.close()

    asyncio.run(story())
