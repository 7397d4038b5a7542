"""Which endpoints the router may use: those whose pod has been read, once, and that answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from ipa.adapters.kubernetes.connection import Json, Refused
from ipa.adapters.kubernetes.endpoints import Endpoint, Served, served
from ipa.adapters.kubernetes.lent import Lent
from ipa.adapters.kubernetes.routes import spec
from ipa.dataplane.background import Background
from ipa.dataplane.plan import ReplicaSpec
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.routed import Client
from ipa.dataplane.router import Connect
from ipa.errors import ServingError, Unavailable

log = logging.getLogger(__name__)

PROBE_S = 0.7
"""Less than the two seconds within which a new plan is to be routed."""
RETRY_FIRST_S, RETRY_LONGEST_S = 0.1, 2.0

ReadPod: TypeAlias = Callable[[str], Json | None]
"""A pod by name, None if there is none. Blocks. Raises Unavailable or Refused."""


class Admitted:
    """Each endpoint is seen to by itself: one that does not answer holds nobody else up."""

    def __init__(self, read_pod: ReadPod, connect: Connect, news: Callable[[], None]) -> None:
        """`news` is called when an endpoint has been admitted."""
        self._read_pod = read_pod
        self._connect = connect
        self._news = news
        self._served: dict[Endpoint, Served] = {}
        self._lent: dict[ReplicaSpec, Lent] = {}
        self._trying: dict[Endpoint, asyncio.Task[None]] = {}

    @property
    def pods(self) -> Mapping[str, Served]:
        """By uid, those that are admitted."""
        return {endpoint.uid: served for endpoint, served in self._served.items()}

    def take(self, spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        """Raises Unavailable if it has left meanwhile."""
        lent = self._lent.get(spec)
        if lent is None:
            raise Unavailable(f"pod {spec.id} has left")
        return lent.take()

    async def silent(self, specs: Sequence[ReplicaSpec]) -> set[str]:
        """The ids of those that do not say that they are ready, right now: endpoints may be old news."""
        answers = await asyncio.gather(*(self._says_ready(spec) for spec in specs))
        return {spec.id for spec, ready in zip(specs, answers, strict=True) if not ready}

    async def _says_ready(self, spec: ReplicaSpec) -> bool:
        try:
            async with asyncio.timeout(PROBE_S):
                return spec in self._lent and await self._lent[spec].ready()
        except TimeoutError:
            return False

    async def see(self, endpoints: Iterable[Endpoint], background: Background) -> None:
        """These are all there are now: begins with what is new, lets go of what has left."""
        now = {_lasting(endpoint) for endpoint in endpoints}
        for endpoint in now - self._trying.keys() - self._served.keys():
            self._trying[endpoint] = background.start(self._admit(endpoint))
        for endpoint in self._trying.keys() - now:
            self._trying.pop(endpoint).cancel()
        for endpoint in self._served.keys() - now:
            gone = self._lent.pop(spec(endpoint, self._served.pop(endpoint)))
            await gone.leave()

    async def _admit(self, endpoint: Endpoint) -> None:
        wait_s, said = RETRY_FIRST_S, ""
        while True:
            try:
                pod = await self._known(endpoint)
                client, model = await self._connect(spec(endpoint, pod))
                break
            except (Unavailable, Refused, ServingError) as error:
                if said != str(error):
                    log.warning("pod %s of %s is not used yet: %s", endpoint.pod, endpoint.stage, error)
                said = str(error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_LONGEST_S)
        self._served[endpoint] = pod
        self._lent[spec(endpoint, pod)] = Lent(client, model)
        self._trying.pop(endpoint, None)
        self._news()

    async def _known(self, endpoint: Endpoint) -> Served:
        """Raises Unavailable, Refused, or ServingError if its pod is none of ipa's."""
        pod = await asyncio.to_thread(self._read_pod, endpoint.pod)
        if pod is None or pod["metadata"].get("uid") != endpoint.uid:
            raise Unavailable("there is no such pod")
        found = served(pod)
        if found is None:
            raise ServingError("its annotations do not say which model it is")
        return found


def _lasting(endpoint: Endpoint) -> Endpoint:
    """As it is known from beginning to end."""
    return Endpoint(endpoint.stage, endpoint.pod, endpoint.uid, endpoint.address)
