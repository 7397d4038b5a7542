"""A router that runs in this process: its ports, the feed of its plans, signals, and its orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from aiohttp import web

from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.background import Background
from ipa.dataplane.feed import Feed, begun
from ipa.dataplane.grpc_ingress import GrpcIngress
from ipa.dataplane.ingress import Ingress
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.readings import Readings
from ipa.dataplane.router import Router
from ipa.dataplane.service import Service
from ipa.dataplane.stage import StageLimits
from ipa.dataplane.start import Start
from ipa.dataplane.web import LIMITS
from ipa.errors import ServingError

BACKLOG = 1024
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a router listens: REST, gRPC, admin."""

    port: int
    grpc_port: int
    admin_port: int


@dataclass(frozen=True, slots=True)
class Listening:
    """The sockets of REST and admin; gRPC listens by itself."""

    public: socket.socket
    admin: socket.socket


def listen(start: Start, admin_host: str) -> Listening:
    """Raises ServingError, in the words of the system, if one of the three ports cannot be had."""
    with ExitStack() as unless_all:
        public = unless_all.enter_context(_listen(start.host, start.port))
        admin = unless_all.enter_context(_listen(admin_host, start.admin_port))
        _listen(start.host, start.grpc_port).close()
        unless_all.pop_all()
    return Listening(public, admin)


def run(start: Start, listening: Listening, feed: Feed, finish_s: float, announce: Callable[[Ports], None]) -> None:
    """Serves until SIGTERM or SIGINT; then what is under way may finish for `finish_s`.

    A second SIGINT ends it at once. `announce` is called once all ports answer and `feed` has begun. Raises
    Unavailable or ServingError if it cannot.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="router: %(levelname)s %(message)s")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(start, listening, feed, finish_s, announce))


async def _serve(
    start: Start, listening: Listening, feed: Feed, finish_s: float, announce: Callable[[Ports], None]
) -> None:
    stop = _stopped_by_signals()
    background, metrics, arrivals = Background(), Metrics(start.pipeline), Arrivals(time.time())
    metrics.watch_arrivals(lambda window_s: arrivals.last(window_s, time.time()).counts)
    limits = StageLimits(start.drop_after_s, start.queue_limit, start.in_flight, start.wait_s)
    router = Router(start.pipeline, start.stages, limits, metrics, background, time.perf_counter, feed.connect)
    service = Service(router, arrivals, metrics, time.perf_counter, time.time)
    calls = GrpcIngress(service, start.host, start.grpc_port)
    readings = Readings(router.state, arrivals, metrics, time.time)
    public, admin = listening.public, listening.admin
    runners = [
        # handler_cancellation: a client that hangs up cancels its handler, which frees its place in the queue;
        # a plan once put is applied to the end.
        web.AppRunner(Ingress(service).application(), handler_cancellation=True, shutdown_timeout=finish_s, **LIMITS),
        web.AppRunner(feed.application(router, readings), shutdown_timeout=finish_s, **LIMITS),
    ]
    for runner, each in zip(runners, (public, admin), strict=True):
        await runner.setup()
        await web.SockSite(runner, each, backlog=BACKLOG).start()
    await calls.start()
    try:
        if await begun(feed, router, background, stop):
            announce(Ports(public.getsockname()[1], calls.port, admin.getsockname()[1]))
            await stop.wait()
    finally:
        await asyncio.gather(calls.stop(finish_s), *(runner.cleanup() for runner in runners))
        await background.stop()
        await router.close()


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, _interrupt, stop)
    return stop


def _interrupt(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(INTERRUPTED)
    stop.set()


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
