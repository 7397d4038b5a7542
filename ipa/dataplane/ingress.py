"""The public port: the pipeline as one V2 model over REST, health and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from aiohttp import web

from ipa.dataplane import outcome
from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.metrics import CONTENT_TYPE, Metrics
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.protocol import InferRequest, ModelMetadata, parse_request, response
from ipa.dataplane.router import Router
from ipa.dataplane.tensors import Tensors
from ipa.dataplane.web import BODY_LIMIT_BYTES, error, errors_as_json, json_response, read_body
from ipa.errors import ServingError


class Ingress:
    def __init__(
        self,
        router: Router,
        arrivals: Arrivals,
        metrics: Metrics,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """`clock` measures ages and latencies (perf_counter), `wall` says in which second a request came."""
        self._router = router
        self._arrivals = arrivals
        self._metrics = metrics
        self._clock = clock
        self._wall = wall
        self._version = version("ipa")

    def application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[errors_as_json])
        app.router.add_post("/v2/models/{name}/infer", self._infer)
        app.router.add_get("/v2", self._server)
        app.router.add_get("/v2/health/live", self._live)
        app.router.add_get("/v2/health/ready", self._ready)
        app.router.add_get("/v2/models/{name}", self._metadata)
        app.router.add_get("/v2/models/{name}/ready", self._model_ready)
        app.router.add_get("/metrics", self._scrape)
        return app

    async def _server(self, _: web.Request) -> web.Response:
        return json_response({"name": "ipa", "version": self._version, "extensions": []})

    async def _live(self, _: web.Request) -> web.Response:
        return json_response({"live": True})

    async def _ready(self, _: web.Request) -> web.Response:
        return json_response({"ready": self._router.ready}, 200 if self._router.ready else 503)

    async def _model_ready(self, request: web.Request) -> web.Response:
        self._check_name(request)
        document = {"name": self._router.pipeline, "ready": self._router.ready}
        return json_response(document, 200 if self._router.ready else 503)

    async def _metadata(self, request: web.Request) -> web.Response:
        self._check_name(request)
        model = self._router.model
        return _refused(outcome.no_plan()) if model is None else json_response(model.as_json())

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _infer(self, http: web.Request) -> web.Response:
        received_s, second_s = self._clock(), self._wall()
        self._check_name(http)
        body = await read_body(http)
        model = self._router.model
        if model is None:
            return self._drop(outcome.no_plan())
        request = parse_request(body, model)
        self._arrivals.count(second_s)
        self._metrics.requests.inc()
        try:
            answer = await self._router.answer(request.tensors, request.rows, received_s)
        except asyncio.CancelledError:
            self._metrics.drops.labels("disconnected").inc()
            raise
        if isinstance(answer, Refusal):
            return self._drop(answer)
        return self._answered(model, request, answer, received_s)

    def _answered(
        self, model: ModelMetadata, request: InferRequest, answer: Tensors, received_s: float
    ) -> web.Response:
        try:
            body = response(model, request, answer)
        except ServingError as unwritable:
            self._metrics.errors.inc()
            return error(500, str(unwritable))
        self._metrics.answers.inc()
        self._metrics.latency.observe(self._clock() - received_s)
        return web.Response(body=body, content_type="application/json")

    def _drop(self, refusal: Refusal) -> web.Response:
        if refusal.reason == "failed":
            self._metrics.errors.inc()
        else:
            self._metrics.drops.labels(refusal.reason).inc()
        return _refused(refusal)

    def _check_name(self, request: web.Request) -> None:
        if request.match_info["name"] != self._router.pipeline:
            raise web.HTTPNotFound(reason=f"this router serves the model {self._router.pipeline!r} alone")


def _refused(refusal: Refusal) -> web.Response:
    return error(refusal.status, refusal.message, refusal.headers)
