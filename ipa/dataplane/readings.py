"""What a router tells whoever runs it: the plan it routes by with the state of its replicas, arrivals, metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from ipa.dataplane.arrivals import Arrivals, Arrived
from ipa.dataplane.metrics import CONTENT_TYPE, Metrics
from ipa.dataplane.tensors import RequestError
from ipa.dataplane.web import errors_as_json, json_response

WINDOW_S = 120


class Readings:
    """GET alone: nothing here changes what runs."""

    def __init__(
        self, state: Callable[[], dict[str, object]], arrivals: Arrivals, metrics: Metrics, wall: Callable[[], float]
    ) -> None:
        self._state = state
        self._arrivals = arrivals
        self._metrics = metrics
        self._wall = wall

    def application(self) -> web.Application:
        app = web.Application(middlewares=[errors_as_json])
        self.add_to(app)
        return app

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/plan", self._get_plan)
        app.router.add_get("/arrivals", self._get_arrivals)
        app.router.add_get("/ticks", self._get_ticks)
        app.router.add_get("/metrics", self._get_metrics)

    async def _get_plan(self, _: web.Request) -> web.Response:
        return json_response(self._state())

    async def _get_arrivals(self, request: web.Request) -> web.Response:
        return _counted(self._arrivals.last(_window_s(request), self._wall()))

    async def _get_ticks(self, request: web.Request) -> web.Response:
        """As /arrivals in ticks of 20 ms, for the tuner."""
        return _counted(self._arrivals.last_ticks(_window_s(request), self._wall()))

    async def _get_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _window_s(request: web.Request) -> int:
    window = request.query.get("window", str(WINDOW_S))
    if not (window.isascii() and window.isdecimal() and 1 <= len(window) <= 9 and int(window) > 0):
        raise RequestError(f"window={window[:20]!r} must be whole seconds, at least 1")
    return int(window)


def _counted(arrived: Arrived) -> web.Response:
    return json_response({"until_s": arrived.until_s, "counts": list(arrived.counts)})
