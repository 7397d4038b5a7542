"""Prometheus metrics of the router: the home of prometheus_client. Counts are requests, times are seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)

PEAK_WINDOW_S = 10  # the window whose maxima IPA forecasts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class StageMetrics:
    """One stage's children, bound once: looking up labels for every request costs more than the counting."""

    latency: Histogram
    queue_wait: Histogram
    batch_size: Histogram
    queue_length: Gauge
    replicas: Gauge
    in_flight: Gauge
    replica_failures: Counter
    retries: Mapping[str, Counter]
    variant_answers: Callable[[str], Counter]


class Metrics:
    """One registry a router, so that two routers in one process (tests) do not share counts."""

    def __init__(self, pipeline: str) -> None:
        """`pipeline` labels the count of requests: one Prometheus may scrape the routers of many."""
        self.registry = CollectorRegistry()
        r = self.registry
        stage = ["stage"]
        requests = Counter("ipa_requests", "Valid inference requests received", ["pipeline"], registry=r)
        self.requests = requests.labels(pipeline)
        self.answers = Counter("ipa_answers", "Requests answered with 200", registry=r)
        self.drops = Counter("ipa_drops", "Requests dropped before work was spent", ["reason"], registry=r)
        for reason in ("deadline", "queue-full", "unavailable", "disconnected"):
            self.drops.labels(reason)  # there from the start, at 0: a series that appears with its first drop hides it
        self.errors = Counter("ipa_errors", "Requests that failed (500 or 502)", registry=r)
        self.latency = Histogram(
            "ipa_request_latency_seconds",
            "Receipt to answer, answered requests",
            buckets=_SECONDS,
            registry=r,
        )
        self._arrivals = Gauge("ipa_arrivals_per_second", "Requests in the last whole second", registry=r)
        self._most_arrivals = Gauge(
            "ipa_arrivals_per_second_max",
            f"Most requests in one of the last {PEAK_WINDOW_S} whole seconds",
            registry=r,
        )
        self._latency = Histogram(
            "ipa_stage_latency_seconds",
            "Queue and service, requests the stage answered",
            stage,
            buckets=_SECONDS,
            registry=r,
        )
        self._queue_wait = Histogram(
            "ipa_queue_wait_seconds", "Wait in the stage's queue", stage, buckets=_SECONDS, registry=r
        )
        self._batch_size = Histogram("ipa_batch_size", "Rows per batch", stage, buckets=_ROWS, registry=r)
        self._queue_length = Gauge("ipa_queue_length", "Requests that wait", stage, registry=r)
        self._replicas = Gauge("ipa_replicas", "Replicas that take batches", stage, registry=r)
        self._in_flight = Gauge("ipa_in_flight", "Batches at replicas", stage, registry=r)
        self._replica_failures = Counter(
            "ipa_replica_failures", "Times a replica was taken out of dispatch", stage, registry=r
        )
        self._retries = Counter(
            "ipa_retries",
            "Requests tried once more, by what had failed: replica or model",
            ["stage", "cause"],
            registry=r,
        )
        self._variant_answers = Counter(
            "ipa_variant_answers", "Requests a variant answered", ["stage", "variant"], registry=r
        )

    def stage(self, name: str) -> StageMetrics:
        return StageMetrics(
            latency=self._latency.labels(name),
            queue_wait=self._queue_wait.labels(name),
            batch_size=self._batch_size.labels(name),
            queue_length=self._queue_length.labels(name),
            replicas=self._replicas.labels(name),
            in_flight=self._in_flight.labels(name),
            replica_failures=self._replica_failures.labels(name),
            retries={cause: self._retries.labels(name, cause) for cause in ("replica", "model")},
            variant_answers=lambda variant: self._variant_answers.labels(name, variant),
        )

    def watch_arrivals(self, last: Callable[[int], Sequence[int]]) -> None:
        """`last(n)` counts the requests of each of the last n whole seconds.

        The rate of a counter between two scrapes is a mean; these keep the peaks that a plan has to carry.
        """
        self._arrivals.set_function(lambda: sum(last(1)))
        self._most_arrivals.set_function(lambda: max(last(PEAK_WINDOW_S), default=0))

    def text(self) -> bytes:
        """What GET /metrics answers."""
        return generate_latest(self.registry)
