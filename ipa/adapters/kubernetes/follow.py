"""The router inside a cluster: it follows the plan of record and the endpoints of its stages, by watch.

Plans come from the ConfigMap that the controller writes, so who may change them is said by the cluster's own roles; the
router's second port only tells, and needs no token. While the API server is away it goes on with what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from aiohttp import web

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.admitted import Admitted
from ipa.adapters.kubernetes.connection import Connection, Json
from ipa.adapters.kubernetes.endpoints import Endpoint, endpoints
from ipa.adapters.kubernetes.routes import Followed, followed, route_plan
from ipa.adapters.kubernetes.watch import Collection, Objects, changes
from ipa.dataplane.background import Background
from ipa.dataplane.plan import ReplicaSpec, RoutePlan
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.readings import Readings
from ipa.dataplane.routed import Client, RoutedReplica
from ipa.dataplane.router import Router, connect
from ipa.domain import Pipeline
from ipa.errors import ServingError, Unavailable

log = logging.getLogger(__name__)

SILENT_RETRY_S = 0.5


class Following:
    """A Feed (ipa.dataplane.feed) whose plans are those of the cluster."""

    def __init__(self, pipeline: Pipeline, connection: Connection, host: str) -> None:
        self.host = host
        self._pipeline = pipeline
        self._connection = connection
        self._stages = {names.service(pipeline.name, stage.name): stage.name for stage in pipeline.stages}
        self._news = asyncio.Event()
        self._admitted = Admitted(self._read_pod, connect, self._news.set)
        self._endpoints: tuple[Endpoint, ...] | None = None  # None until they have been listed
        self._plan: Followed | None = None
        self._routed: RoutePlan | None = None
        self._said = ""

    def application(self, _router: Router, readings: Readings) -> web.Application:
        return readings.application()

    async def connect(self, spec: ReplicaSpec) -> tuple[Client, ModelMetadata]:
        return self._admitted.take(spec)

    async def begin(self, router: Router, background: Background, /) -> None:
        """Returns at once; the first plan is routed when the API server has told of it and of the endpoints."""
        loop = asyncio.get_running_loop()
        self._watch(loop, self._slices(), self._see_slices)
        self._watch(loop, self._plan_map(), self._see_plan)
        background.start(self._follow(router, background))

    # --- what is watched -----------------------------------------------------------------------------------------

    def _slices(self) -> Collection:
        services = ",".join(sorted(self._stages))
        path = self._connection.path("discovery.k8s.io/v1", "endpointslices")
        return Collection(path, {"labelSelector": f"{names.SERVICE_NAME} in ({services})"})

    def _plan_map(self) -> Collection:
        path = self._connection.path("v1", "configmaps")
        return Collection(path, {"fieldSelector": f"metadata.name={names.plan_map(self._pipeline.name)}"})

    def _watch(self, loop: asyncio.AbstractEventLoop, of: Collection, see: Callable[[Objects], None]) -> None:
        """In a thread, since the client blocks; it ends with the process."""
        found = changes(self._connection, of)
        threading.Thread(target=_tell, args=(found, loop, see), name=f"watch {of.path}", daemon=True).start()

    def _see_slices(self, objects: Objects) -> None:
        self._endpoints = endpoints(objects.values(), self._stages)
        self._news.set()

    def _see_plan(self, objects: Objects) -> None:
        try:
            self._plan = followed(objects.get(names.plan_map(self._pipeline.name)))
        except ServingError as error:
            log.error("ConfigMap %s: %s; the plan before it stands", names.plan_map(self._pipeline.name), error)
            self._plan = self._plan or Followed()
        self._news.set()

    def _read_pod(self, name: str) -> Json | None:
        return self._connection.find(self._connection.path("v1", "pods", name))

    # --- what is routed ------------------------------------------------------------------------------------------

    async def _follow(self, router: Router, background: Background) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._endpoints is not None:
                await self._admitted.see(self._endpoints, background)
            if self._endpoints is not None and self._plan is not None:
                wanted = await self._wanted(self._endpoints, self._plan, background)
                if wanted != self._routed:
                    await self._route(router, wanted, background)

    async def _wanted(self, found: tuple[Endpoint, ...], plan: Followed, background: Background) -> RoutePlan:
        """By the plan, of the pods that answer: a plan may be news while the endpoints, watched apart, are old."""
        silent: set[str] = set()
        while True:
            there = [endpoint for endpoint in found if endpoint.pod not in silent]
            wanted = route_plan(self._pipeline, plan, there, self._admitted.pods)
            more = await self._admitted.silent(_new(wanted, self._routed))
            if not more:
                break
            silent |= more
        if silent:
            background.start(self._again())
        return wanted

    async def _again(self) -> None:
        await asyncio.sleep(SILENT_RETRY_S)
        self._news.set()

    async def _route(self, router: Router, wanted: RoutePlan, background: Background) -> None:
        try:
            await self._switch(router, wanted, background)
            self._said = ""
        except Unavailable:  # a pod left meanwhile: the news of it is there already
            pass
        except ServingError as misfit:
            self._say(f"not all of the pods fit the pipeline: {misfit}")
            await self._route_what_fits(router, wanted, background)

    async def _switch(self, router: Router, plan: RoutePlan, background: Background) -> None:
        left = await router.switch(plan)
        self._routed = plan
        background.start(_drained(router, left))

    async def _route_what_fits(self, router: Router, wanted: RoutePlan, background: Background) -> None:
        """What is routed already and still wanted, and of what is new each pod that fits beside it."""
        fits = {spec.id for spec in _specs(self._routed)}
        for new in _new(wanted, self._routed):
            with contextlib.suppress(ServingError, Unavailable):
                await self._switch(router, _only(wanted, fits | {new.id}), background)
                fits.add(new.id)
        with contextlib.suppress(ServingError, Unavailable):
            await self._switch(router, _only(wanted, fits), background)

    def _say(self, what: str) -> None:
        if what != self._said:
            log.error("%s", what)
        self._said = what


def _tell(found: Iterator[Objects], loop: asyncio.AbstractEventLoop, see: Callable[[Objects], None]) -> None:
    for objects in found:
        try:
            loop.call_soon_threadsafe(see, objects)
        except RuntimeError:  # the loop is closed: the router ends
            return


def _specs(plan: RoutePlan | None) -> list[ReplicaSpec]:
    return [spec for stage in plan.stages for spec in stage.replicas] if plan is not None else []


def _new(plan: RoutePlan, routed: RoutePlan | None) -> list[ReplicaSpec]:
    known = set(_specs(routed))
    return [spec for spec in _specs(plan) if spec not in known]


def _only(plan: RoutePlan, ids: set[str]) -> RoutePlan:
    """The plan without all other replicas."""
    stages = [replace(s, replicas=tuple(spec for spec in s.replicas if spec.id in ids)) for s in plan.stages]
    return replace(plan, stages=tuple(stages))


async def _drained(router: Router, left: list[RoutedReplica]) -> None:
    drain = await router.drained(left)
    if drain.undrained:
        log.warning("still with a batch in flight: %s", ", ".join(drain.undrained))
