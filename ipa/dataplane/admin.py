"""The admin port: plans in, arrivals and state out. Every call carries the token."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from ipa.dataplane.arrivals import Arrivals, Arrived
from ipa.dataplane.bearer import bearer_only
from ipa.dataplane.plan import PlanError, parse_plan
from ipa.dataplane.router import Router
from ipa.dataplane.tensors import RequestError
from ipa.dataplane.web import error, errors_as_json, json_response, read_body
from ipa.errors import ServingError, Unavailable

WINDOW_S = 120


class Admin:
    def __init__(self, router: Router, arrivals: Arrivals, token: str, wall: Callable[[], float]) -> None:
        self._router = router
        self._arrivals = arrivals
        self._token = token
        self._wall = wall

    def application(self) -> web.Application:
        app = web.Application(middlewares=[errors_as_json, bearer_only(self._token)])
        app.router.add_put("/plan", self._put_plan)
        app.router.add_get("/plan", self._get_plan)
        app.router.add_get("/arrivals", self._get_arrivals)
        app.router.add_get("/ticks", self._get_ticks)
        return app

    async def _put_plan(self, request: web.Request) -> web.Response:
        """400: the document breaks a rule; 422: a model does not fit; 503: a replica did not answer."""
        body = await read_body(request)
        try:
            plan = parse_plan(body, [stage.name for stage in self._router.stages])
            drain = await self._router.apply(plan)
        except PlanError as broken:
            return error(400, str(broken))
        except ServingError as unfit:
            return error(422, str(unfit))
        except Unavailable as absent:
            return error(503, str(absent))
        return json_response({"drained": list(drain.drained), "undrained": list(drain.undrained)})

    async def _get_plan(self, _: web.Request) -> web.Response:
        return json_response(self._router.state())

    async def _get_arrivals(self, request: web.Request) -> web.Response:
        return _counted(self._arrivals.last(_window_s(request), self._wall()))

    async def _get_ticks(self, request: web.Request) -> web.Response:
        """As /arrivals in ticks of 20 ms, for the tuner."""
        return _counted(self._arrivals.last_ticks(_window_s(request), self._wall()))


def _window_s(request: web.Request) -> int:
    window = request.query.get("window", str(WINDOW_S))
    if not (window.isascii() and window.isdecimal() and 1 <= len(window) <= 9 and int(window) > 0):
        raise RequestError(f"window={window[:20]!r} must be whole seconds, at least 1")
    return int(window)


def _counted(arrived: Arrived) -> web.Response:
    return json_response({"until_s": arrived.until_s, "counts": list(arrived.counts)})
