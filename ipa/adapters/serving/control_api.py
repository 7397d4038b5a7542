"""The supervisor over HTTP, for other processes on this machine: GET /status, PUT /plan, POST /stop."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict

from aiohttp import web

from ipa.adapters.files import plan_of_rows
from ipa.adapters.serving.loopback import HOST
from ipa.adapters.serving.supervisor import Supervisor
from ipa.dataplane.bearer import bearer_only
from ipa.dataplane.web import error, json_response
from ipa.domain import Plan
from ipa.errors import ConfigError, Violation

_SHUTDOWN_TIMEOUT_S = 1.0


class ControlApi:
    """`stop` is set by POST /stop; every call needs the token."""

    def __init__(self, supervisor: Supervisor, token: str, stop: asyncio.Event) -> None:
        self._supervisor = supervisor
        self._token = token
        self._stop = stop

    def application(self) -> web.Application:
        app = web.Application(middlewares=[bearer_only(self._token)])
        app.router.add_get("/status", self._status)
        app.router.add_put("/plan", self._put_plan)
        app.router.add_post("/stop", self._post_stop)
        return app

    async def _status(self, _: web.Request) -> web.Response:
        router = self._supervisor.router
        urls = {"url": router.url, "admin_url": router.admin_url, "grpc_address": router.grpc_address} if router else {}
        status = self._supervisor.status()
        return json_response({**status, "pid": os.getpid(), "url": urls.get("url"), "router": urls})

    async def _put_plan(self, request: web.Request) -> web.Response:
        """200 also if the plan could not be applied (then applied is false); 400 if it is no plan."""
        try:
            plan = await self._plan(request)
        except ConfigError as broken:
            return error(400, str(broken))
        return json_response(asdict(await self._supervisor.apply(plan)))

    async def _plan(self, request: web.Request) -> Plan:
        source = "PUT /plan"
        try:
            document = await request.json()
        except ValueError as broken:
            raise ConfigError(source, [Violation("body", f"is not JSON: {broken}")]) from broken
        rows = document.get("plan") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            raise ConfigError(source, [Violation("plan", "must be a list of rows")])
        return plan_of_rows(rows, self._supervisor.config.pipeline, source)

    async def _post_stop(self, _: web.Request) -> web.Response:
        self._stop.set()
        return json_response({"stopping": True})


async def listen(api: ControlApi) -> tuple[web.AppRunner, str]:
    """Serves `api` on a free port of loopback; returns its runner, to be cleaned up, and its URL."""
    runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    port = runner.addresses[0][1]
    return runner, f"http://{HOST}:{port}"
