"""The router process: `python -m ipa.dataplane`.

The start message is the first line of stdin; stdin stays open as a lifeline: at its end the process exits at once,
so not even a killed parent leaves an orphan. stdout gets one line, the ports, once all listen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from aiohttp import web

from ipa.dataplane import documents
from ipa.dataplane.admin import Admin
from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.background import Background
from ipa.dataplane.grpc_ingress import GrpcIngress
from ipa.dataplane.ingress import Ingress
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.router import Router
from ipa.dataplane.service import Service
from ipa.dataplane.stage import StageLimits
from ipa.dataplane.start import Start, parse_start
from ipa.dataplane.web import LIMITS
from ipa.errors import IpaError, ServingError

STDIN = 0
FINISH_S = 5.0  # after SIGTERM, requests in the pipeline may finish for this long
BACKLOG = 1024


def main() -> int:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="router: %(levelname)s %(message)s")
    try:
        start = parse_start(_first_line())
        public, admin = _listen(start.host, start.port), _listen(start.host, start.admin_port)
        _listen(start.host, start.grpc_port).close()  # the words of the system; gRPC listens by itself, below
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(start, public, admin))
    except IpaError as error:
        sys.stderr.write(f"router: {error}\n")
        return error.exit_code
    return 0


async def _serve(start: Start, public: socket.socket, admin: socket.socket) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    background, metrics, arrivals = Background(), Metrics(), Arrivals(time.time())
    metrics.watch_arrivals(lambda window_s: arrivals.last(window_s, time.time()).counts)
    limits = StageLimits(start.drop_after_s, start.queue_limit, start.in_flight, start.wait_s)
    router = Router(start.pipeline, start.stages, limits, metrics, background, time.perf_counter)
    service = Service(router, arrivals, metrics, time.perf_counter, time.time)
    calls = GrpcIngress(service, start.host, start.grpc_port)
    control = Admin(router, arrivals, start.admin_token, time.time)
    runners = [
        # handler_cancellation: a client that hangs up cancels its handler, which frees its place in the queue;
        # a plan once put is applied to the end.
        web.AppRunner(Ingress(service).application(), handler_cancellation=True, shutdown_timeout=FINISH_S, **LIMITS),
        web.AppRunner(control.application(), shutdown_timeout=FINISH_S, **LIMITS),
    ]
    for runner, listening in zip(runners, (public, admin), strict=True):
        await runner.setup()
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
    await calls.start()
    ports = {"port": public.getsockname()[1], "grpc_port": calls.port, "admin_port": admin.getsockname()[1]}
    sys.stdout.write(documents.dumps(ports).decode() + "\n")
    sys.stdout.flush()
    await stop.wait()
    await asyncio.gather(calls.stop(FINISH_S), *(runner.cleanup() for runner in runners))
    await background.stop()
    await router.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise ServingError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: less CPU per request; nothing depends on it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


# stdin is read with os.read: a daemon thread inside sys.stdin's buffer would hold its lock at exit and abort Python.


def _first_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(STDIN, 1)
        if not byte:
            break
        line += byte
    return bytes(line)


def _end_with_stdin() -> None:
    while os.read(STDIN, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
