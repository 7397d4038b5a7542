"""Owns the router and the replicas of one pipeline: moves them to a plan, and keeps them there."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ipa.adapters.serving.backoff import Backoff
from ipa.adapters.serving.fleet import Fleet, Member
from ipa.adapters.serving.router_process import STOP_TIMEOUT_S, RouterProcess, start_message, start_router
from ipa.adapters.serving.routing import missing, router_plan, wanted_ids
from ipa.adapters.serving.runtimes import RUNTIMES
from ipa.diff import Step, dips, steps, targets
from ipa.domain import Config, Plan
from ipa.errors import IpaError, ServingError, Unavailable
from ipa.ports import Outcome

_log = logging.getLogger(__name__)

# A replica that the router has found hanging gets this long to answer a probe; then its process is replaced.
HUNG_S = 5.0
LOOK_S = 1.0


class Supervisor:
    """Create it inside the event loop; start_router, then start, then apply as often as needed, then stop.

    A stage's target is the last step that was carried out for it. Healing is carrying out the target again: what
    died is missing, so it is started and routed.
    """

    def __init__(self, config: Config, folder: Path, admin_token: str) -> None:
        """`folder` takes the children's logs; `admin_token` guards the router's admin port."""
        self.config = config
        self.router: RouterProcess | None = None
        self.plan: Plan | None = None
        self._folder = folder
        self._admin_token = admin_token
        self._fleet = Fleet(partial(RUNTIMES[config.serving.runtime].server, config), folder, self._on_death)
        self._targets: dict[str, Step] = {}
        self._routed: frozenset[str] = frozenset()
        self._changing = asyncio.Lock()  # one change at a time, healing included
        self._routing = asyncio.Lock()  # the router gets the views in the order they were true
        self._tasks: set[asyncio.Task[Any]] = set()
        self._healing: set[str] = set()
        self._stopping = False
        self._backoffs: dict[str, Backoff] = {}

    # --- starting and stopping ------------------------------------------------------------------------------

    async def start_router(self, port: int, grpc_port: int = 0) -> RouterProcess:
        """The router, listening on both ports (0: any free one), without a plan yet. Raises ServingError."""
        message = start_message(self.config, port, grpc_port, 0, self._admin_token)
        self.router = await start_router(message, self._folder)
        self._spawn(self._keep_router())
        self._spawn(self._end_hung())
        return self.router

    async def start(self, plan: Plan) -> None:
        """All replicas of `plan` at once, warm and routed. Raises ServingError; call stop then."""
        async with self._changing:
            self._targets = targets(plan)
            started = await self._fleet.start(plan.allocations)
            self._routed = frozenset(member.id for member in started)
            await self._route()
            self.plan = plan
            for stage in self._targets:
                self._heal(stage)

    async def stop(self) -> None:
        """Everything, within about nine seconds; whatever was under way is abandoned."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        leaving: list[Coroutine[Any, Any, Any]] = [asyncio.wait(self._tasks)] if self._tasks else []
        if self.router is not None:
            leaving.append(self.router.child.stop(STOP_TIMEOUT_S))
        await asyncio.gather(*leaving)
        await self._fleet.stop_all()

    # --- changing -------------------------------------------------------------------------------------------

    async def apply(self, plan: Plan) -> Outcome:
        """Moves to `plan` step by step; a step that fails takes all earlier ones back.

        The outcome says whether `plan` runs now, and why not. It is abandoned with everything else by stop().
        """
        outcome: Outcome = await self._spawn(self._apply(plan))
        return outcome

    async def _apply(self, plan: Plan) -> Outcome:
        async with self._changing:
            if self.plan is None:
                return Outcome(False, 0.0, "nothing runs yet: the first plan is still being started")
            began_s = time.monotonic()
            way = steps(self.plan, plan, self.config.pipeline.limits.cores, self.config.control.surge_cores)
            back: list[Step] = []
            notes = dips(way)
            try:
                for step in way:
                    back.insert(0, self._targets[step.stage])
                    notes += await self._carry_out(step)
            except IpaError as error:
                await self._take_back(back)
                return Outcome(False, time.monotonic() - began_s, str(error))
            self.plan = plan
            return Outcome(True, time.monotonic() - began_s, "; ".join(dict.fromkeys(notes)))

    async def _carry_out(self, step: Step) -> list[str]:
        """Start what is missing, switch, drain, stop the rest. If it raises, all is as it was before."""
        running = [member.routed for member in self._fleet.of_stage(step.stage)]
        kept = wanted_ids(step, running)
        started = await self._fleet.start(missing(step, running))
        surplus = [m for m in self._fleet.of_stage(step.stage) if m.id not in kept and m not in started]
        leaving, coming = {m.id for m in surplus}, {m.id for m in started}
        before, self._targets[step.stage] = self._targets[step.stage], step
        self._routed = (self._routed - leaving) | coming
        try:
            undrained = await self._route()
        except IpaError:
            self._targets[step.stage] = before
            self._routed = (self._routed | leaving) - coming
            await self._route_or_retry()
            await self._fleet.stop(started)
            raise
        await self._fleet.stop(surplus)
        self._heal(step.stage)  # one may have died between warm and routed
        return [f"{replica_id} was stopped with a batch in flight" for replica_id in undrained]

    async def _take_back(self, back: list[Step]) -> None:
        """The steps of a failed change in reverse: the cores running stay within what they were on the way."""
        for step in back:
            try:
                await self._carry_out(step)
            except IpaError as error:
                # The old plan stays the target, so that healing goes on from here.
                _log.warning("%s: cannot go back yet: %s", step.stage, error)
                self._targets[step.stage] = step
                self._heal(step.stage)

    # --- routing --------------------------------------------------------------------------------------------

    async def _route(self) -> tuple[str, ...]:
        """Tells the router what is true now. Raises Unavailable or ServingError."""
        async with self._routing:
            if not self._targets:
                return ()
            if self.router is None or self.router.child.exit_code is not None:
                raise Unavailable("the router is down; it is being restarted")
            replicas = [m.routed for m in self._fleet.members() if m.id in self._routed]
            return await self.router.route(router_plan(self.config.pipeline, self._targets, replicas))

    async def _route_or_retry(self) -> None:
        """For whom there is no way back: a router that cannot be told now is told as soon as it can be."""
        try:
            await self._route()
        except IpaError as error:
            _log.warning("not routed: %s", error)
            self._spawn(self._route_again())

    async def _route_again(self) -> None:
        backoff = Backoff()
        while True:
            await asyncio.sleep(backoff.next_s(time.monotonic()))
            try:
                await self._route()
                return
            except IpaError as error:
                _log.warning("not routed: %s", error)

    # --- healing --------------------------------------------------------------------------------------------

    def _on_death(self, member: Member) -> None:
        child = member.process.child
        _log.warning("%s died with exit code %s: %s", member.id, child.exit_code, child.last_line())
        self._routed -= {member.id}
        if not self._stopping:
            self._spawn(self._route_or_retry())
            self._heal(member.stage)

    def _heal(self, stage: str) -> None:
        """Restores a stage that is not as its target says; does nothing if it is, or is being restored."""
        if stage not in self._healing and not self._is_settled(stage):
            self._healing.add(stage)
            self._spawn(self._restore(stage))

    async def _restore(self, stage: str) -> None:
        """Carries out the stage's target again and again until it holds."""
        backoff = self._backoffs.setdefault(stage, Backoff())
        try:
            while not self._is_settled(stage):
                await asyncio.sleep(backoff.next_s(time.monotonic()))
                async with self._changing:
                    await self._try_to_restore(stage)
        finally:
            self._healing.discard(stage)

    async def _try_to_restore(self, stage: str) -> None:
        try:
            await self._carry_out(self._targets[stage])
        except IpaError as error:
            _log.warning("%s: not restored: %s", stage, error)

    def _is_whole(self, stage: str) -> bool:
        routed = [m.routed for m in self._fleet.of_stage(stage) if m.id in self._routed]
        return not missing(self._targets[stage], routed)

    def _is_settled(self, stage: str) -> bool:
        """Whether nothing is missing and nothing is left over, as after every step that was carried out."""
        members = [m.routed for m in self._fleet.of_stage(stage)]
        return self._is_whole(stage) and len(wanted_ids(self._targets[stage], members)) == len(members)

    async def _end_hung(self) -> None:
        """Kills what lives but has not worked for long, as the router sees it; its death is healed like any other."""
        while True:
            await asyncio.sleep(LOOK_S)
            for member in await self._hung():
                _log.warning("%s hangs, it is being replaced", member.id)
                member.process.child.kill()  # also ends a stopped process, which would not see SIGTERM

    async def _hung(self) -> list[Member]:
        assert self.router is not None
        try:
            down_s = await self.router.down_s()
        except (Unavailable, ServingError):  # no router, no news: _keep_router brings it back
            return []
        return [m for m in self._fleet.members() if m.id in self._routed and down_s.get(m.id, 0.0) >= HUNG_S]

    async def _keep_router(self) -> None:
        """Restarts the router on its ports whenever it dies, and gives it the plan again."""
        backoff = Backoff()
        while True:
            assert self.router is not None
            code = await self.router.child.wait()
            _log.warning("the router died with exit code %s: %s", code, self.router.child.last_line())
            await asyncio.sleep(backoff.next_s(time.monotonic()))
            ports = (self.router.port, self.router.grpc_port, self.router.admin_port)
            try:
                self.router = await start_router(start_message(self.config, *ports, self._admin_token), self._folder)
            except ServingError as error:
                _log.warning("not restarted: %s", error)
                continue
            await self._route_or_retry()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that stop() ends. If it crashes, the log has the traceback: nothing stops working silently."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("an internal part crashed", exc_info=error)

    # --- telling --------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether every replica of the plan is warm and routed, and the router is up."""
        up = self.router is not None and self.router.child.exit_code is None
        return up and self.plan is not None and all(self._is_whole(stage) for stage in self._targets)

    def status(self) -> dict[str, Any]:
        """The plan, the readiness, the cores used so far and every replica, as JSON."""
        return {
            "pipeline": self.config.pipeline.name,
            "plan": [asdict(allocation) for allocation in self.plan.allocations] if self.plan else [],
            "ready": self.ready,
            "core_seconds": self._fleet.core_seconds(),
            "replicas": [self._replica_status(member) for member in self._fleet.members()],
        }

    def _replica_status(self, member: Member) -> dict[str, Any]:
        process = member.process
        return {
            "id": member.id,
            "stage": member.stage,
            "variant": process.spec.variant,
            "pid": process.child.pid,
            "address": process.address,
            "state": "routed" if member.id in self._routed else "unrouted",
            "load_s": process.load_s,
            "memory_mb": process.memory_mb,
        }
