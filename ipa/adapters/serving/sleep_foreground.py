"""One replica that sleeps, in this process and without a parent: in a pod, or beside a router that was started by hand.

As every model server of V2 it says over HTTP that its model is ready; gRPC alone has no probe that names a model.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from aiohttp import web

from ipa.adapters.serving.runtime import At
from ipa.adapters.serving.sleep_server import SleepingModel, listen, precise_loop, way_s
from ipa.adapters.serving.sleep_tensors import StageTensors
from ipa.errors import ServingError

FINISH_S = 5.0  # for the calls in flight when a signal comes, as MLServer has it


def serve_foreground(name: str, service_s: Sequence[float], tensors: StageTensors, at: At) -> None:
    """Until SIGTERM or SIGINT; what is in flight then is answered. Raises ServingError if it cannot listen."""
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(_serve(name, service_s, tensors, at))


async def _serve(name: str, service_s: Sequence[float], tensors: StageTensors, at: At) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    model = SleepingModel(name, service_s, tensors, await way_s())
    calls, _ = await listen(model, at.host, at.grpc_port)
    probes = web.AppRunner(_probes(name))
    await probes.setup()
    try:
        await web.TCPSite(probes, at.host, at.http_port).start()
        await stop.wait()
    except OSError as error:
        raise ServingError(f"cannot listen on {at.host}:{at.http_port}: {error.strerror}") from error
    finally:
        await calls.stop(FINISH_S)
        await probes.cleanup()


def _probes(name: str) -> web.Application:
    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"name": name, "ready": True})

    app = web.Application()
    app.router.add_get(f"/v2/models/{name}/ready", ready)
    return app
