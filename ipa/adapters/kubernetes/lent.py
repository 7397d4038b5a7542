"""Connections to all pods that serve, so that a plan that moves to another kind of them need not wait for any."""

from __future__ import annotations

from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.routed import Client
from ipa.dataplane.tensors import Array, Tensors


class Lent:
    """One pod's connection, which the router may take, give back (close) and take again.

    It is closed once its pod has left the endpoints and the router has given it back, with all that was in flight.
    """

    def __init__(self, client: Client, model: ModelMetadata) -> None:
        self.model = model
        self._client = client
        self._taken = 0
        self._left = False

    def take(self) -> tuple[Client, ModelMetadata]:
        self._taken += 1
        return self, self.model

    async def leave(self) -> None:
        """Its pod is no endpoint any more."""
        self._left = True
        await self._close_if_over()

    async def infer(self, inputs: Tensors, timeout_s: float | None = None) -> dict[str, Array]:
        return await self._client.infer(inputs, timeout_s)

    async def ready(self) -> bool:
        return await self._client.ready()

    async def close(self) -> None:
        self._taken -= 1
        await self._close_if_over()

    async def _close_if_over(self) -> None:
        if self._left and self._taken == 0:
            await self._client.close()
