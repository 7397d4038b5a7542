"""The admin port: plans in, arrivals and state out. Every call carries the token."""

from __future__ import annotations

from aiohttp import web

from ipa.dataplane.bearer import bearer_only
from ipa.dataplane.plan import PlanError, parse_plan
from ipa.dataplane.readings import Readings
from ipa.dataplane.router import Router
from ipa.dataplane.web import error, errors_as_json, json_response, read_body
from ipa.errors import ServingError, Unavailable


class Admin:
    def __init__(self, router: Router, readings: Readings, token: str) -> None:
        self._router = router
        self._readings = readings
        self._token = token

    def application(self) -> web.Application:
        app = web.Application(middlewares=[errors_as_json, bearer_only(self._token)])
        app.router.add_put("/plan", self._put_plan)
        self._readings.add_to(app)
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
