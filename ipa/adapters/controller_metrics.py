"""The controller's own port: /metrics for Prometheus, /healthz and /readyz for probes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ipa.control import Turn
from ipa.dataplane.metrics import CONTENT_TYPE
from ipa.errors import UsageError

_SOLVE_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
SILENT_S = 120.0
"""Without a sign of life for so long a loop hangs; a turn and each poll of a rollout give one."""
OUTCOMES = ("kept", "held", "applied", "failed", "rolled-back")


def outcome_of(turn: Turn) -> str:
    """One of OUTCOMES."""
    if turn.decision.plan is None:
        return "held" if turn.decision.reason.startswith("held") else "kept"
    if turn.outcome is not None and turn.outcome.applied:
        return "applied"
    return "rolled-back" if turn.outcome is not None and turn.outcome.rolled_back else "failed"


@dataclass(slots=True)
class Vital:
    """Signs of life of one pipeline's loop, on the monotonic clock."""

    beat_s: float
    turned: bool = False
    observed_s: float | None = None


@dataclass(slots=True)
class ControllerMetrics:
    """All pipelines of this process; their threads may tell at the same time."""

    now_s: Callable[[], float] = time.monotonic
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _vitals: dict[str, Vital] = field(init=False, default_factory=dict)
    _decisions: Counter = field(init=False)
    _solve: Histogram = field(init=False)
    _gauges: dict[str, Gauge] = field(init=False)

    def __post_init__(self) -> None:
        r, name = self.registry, ["pipeline"]
        self._decisions = Counter("ipa_decisions", "Turns of the loop by outcome", [*name, "outcome"], registry=r)
        self._solve = Histogram("ipa_solve_seconds", "Time to choose a plan", name, buckets=_SOLVE_SECONDS, registry=r)
        described = {
            "predicted_rps": "Requests per second that the plan is for",
            "observed_rps": "Requests in the last whole second",
            "metrics_age_seconds": "Since arrivals and the live plan were last read",
            "leading": "1 where this process controls the pipeline",
        }
        self._gauges = {key: Gauge(f"ipa_{key}", words, name, registry=r) for key, words in described.items()}

    def watch(self, pipeline: str, leads: Callable[[], bool]) -> None:
        """From now on the pipeline is there, and its loop has to give signs of life."""
        vital = self._vitals[pipeline] = Vital(self.now_s())
        for outcome in OUTCOMES:
            self._decisions.labels(pipeline, outcome)
        self._gauges["leading"].labels(pipeline).set_function(lambda: float(leads()))
        age = self._gauges["metrics_age_seconds"].labels(pipeline)
        age.set_function(lambda: float("nan") if vital.observed_s is None else self.now_s() - vital.observed_s)

    def beat(self, pipeline: str) -> None:
        self._vitals[pipeline].beat_s = self.now_s()

    def turned(self, pipeline: str, turn: Turn) -> None:
        vital = self._vitals[pipeline]
        vital.beat_s, vital.turned = self.now_s(), True
        self._decisions.labels(pipeline, outcome_of(turn)).inc()
        if turn.observation is not None:
            vital.observed_s = self.now_s()
            if turn.observation.arrivals:
                self._gauges["observed_rps"].labels(pipeline).set(turn.observation.arrivals[-1])
        if turn.forecast is not None:
            self._gauges["predicted_rps"].labels(pipeline).set(turn.forecast.rate_rps)
        if turn.solution is not None:
            self._solve.labels(pipeline).observe(turn.solution.seconds)

    def silent(self) -> list[str]:
        """Pipelines whose loop hangs."""
        now_s = self.now_s()
        return [name for name, vital in self._vitals.items() if now_s - vital.beat_s > SILENT_S]

    def unready(self) -> list[str]:
        """Pipelines that have not had a turn yet. Who waits for the lease is ready: it takes over when it may."""
        return [name for name, vital in self._vitals.items() if not vital.turned]


@contextmanager
def served(metrics: ControllerMetrics, host: str, port: int) -> Iterator[int]:
    """Listens while open; the port it got. Raises UsageError where it cannot."""
    try:
        server = ThreadingHTTPServer((host, port), _handler(metrics))
    except OSError as error:
        raise UsageError(f"--metrics-port {port}: cannot listen on {host}: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(metrics: ControllerMetrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, generate_latest(metrics.registry), CONTENT_TYPE)
            elif path == "/healthz":
                self._state("silent", metrics.silent())
            elif path == "/readyz":
                self._state("without a first turn", metrics.unready())
            else:
                self._answer(404, b"there is /metrics, /healthz and /readyz\n")

        def _state(self, what: str, pipelines: list[str]) -> None:
            if pipelines:
                self._answer(503, f"{what}: {', '.join(pipelines)}\n".encode())
            else:
                self._answer(200, b"ok\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every second or so."""

    return Handler
