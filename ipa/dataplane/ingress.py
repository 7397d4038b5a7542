"""The public port: the pipeline as one V2 model over REST, health and metrics."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from aiohttp import web

from ipa.dataplane import outcome
from ipa.dataplane.metrics import CONTENT_TYPE
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.rest_messages import RestMessage, parse_request, response
from ipa.dataplane.service import Service
from ipa.dataplane.tensors import RequestError
from ipa.dataplane.web import BODY_LIMIT_BYTES, error, errors_as_json, json_response, read_body

# Of the binary tensor extension: how long the JSON is; what follows are raw tensors.
_JSON_BYTES = "Inference-Header-Content-Length"


class Ingress:
    def __init__(self, service: Service) -> None:
        self._service = service
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
        return json_response({"name": "ipa", "version": self._version, "extensions": ["binary_tensor_data"]})

    async def _live(self, _: web.Request) -> web.Response:
        return json_response({"live": True})

    async def _ready(self, _: web.Request) -> web.Response:
        return json_response({"ready": self._service.ready}, 200 if self._service.ready else 503)

    async def _model_ready(self, request: web.Request) -> web.Response:
        self._check_name(request)
        document = {"name": self._service.name, "ready": self._service.ready}
        return json_response(document, 200 if self._service.ready else 503)

    async def _metadata(self, request: web.Request) -> web.Response:
        self._check_name(request)
        model = self._service.model
        return _refused(outcome.no_plan()) if model is None else json_response(model.as_json())

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _infer(self, http: web.Request) -> web.Response:
        receipt = self._service.receipt()
        self._check_name(http)
        message = RestMessage(await read_body(http), _json_bytes(http))
        answer = await self._service.infer(receipt, partial(parse_request, message), response)
        return _refused(answer) if isinstance(answer, Refusal) else _answer(answer)

    def _check_name(self, request: web.Request) -> None:
        if request.match_info["name"] != self._service.name:
            raise web.HTTPNotFound(reason=f"this router serves the model {self._service.name!r} alone")


def _json_bytes(request: web.Request) -> int | None:
    given = request.headers.get(_JSON_BYTES)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= 9):
        raise RequestError(f"{_JSON_BYTES}: {given[:20]!r} must be a number of bytes")
    return int(given)


def _answer(message: RestMessage) -> web.Response:
    if message.json_bytes is None:
        return web.Response(body=message.body, content_type="application/json")
    headers = {_JSON_BYTES: str(message.json_bytes)}
    return web.Response(body=message.body, content_type="application/octet-stream", headers=headers)


def _refused(refusal: Refusal) -> web.Response:
    return error(refusal.status, refusal.message, refusal.headers)
