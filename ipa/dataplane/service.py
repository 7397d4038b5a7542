"""What every public port does with a request, whatever its wire: count it, route it, count what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ipa.dataplane import outcome
from ipa.dataplane.arrivals import Arrivals
from ipa.dataplane.metrics import Metrics
from ipa.dataplane.outcome import Refusal
from ipa.dataplane.protocol import InferRequest, ModelMetadata
from ipa.dataplane.router import Router
from ipa.dataplane.tensors import Tensors
from ipa.errors import ServingError

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a request came: `at_s` is for ages and latencies, `wall_s` says in which second it counts."""

    at_s: float
    wall_s: float


class Service:
    def __init__(
        self,
        router: Router,
        arrivals: Arrivals,
        metrics: Metrics,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """`clock` measures ages and latencies (perf_counter), `wall` says in which second a request came."""
        self.metrics = metrics
        self._router = router
        self._arrivals = arrivals
        self._clock = clock
        self._wall = wall

    @property
    def name(self) -> str:
        return self._router.pipeline

    @property
    def model(self) -> ModelMetadata | None:
        """None until a plan is routed."""
        return self._router.model

    @property
    def ready(self) -> bool:
        return self._router.ready

    def receipt(self) -> Receipt:
        """Taken when a request's first bytes are here, so that the time its body takes counts as its age."""
        return Receipt(self._clock(), self._wall())

    async def infer(
        self,
        receipt: Receipt,
        parse: Callable[[ModelMetadata], InferRequest],
        write: Callable[[ModelMetadata, InferRequest, Tensors], Answer],
    ) -> Answer | Refusal:
        """The pipeline's answer as `write` puts it; cancelled (the client left), it frees the request's places.

        Raises what `parse` raises, RequestError: such a request is no arrival. If `write` raises ServingError, that
        is a refusal.
        """
        model = self.model
        if model is None:  # nobody can tell yet whether the request is valid: it is an arrival, and dropped
            self._arrived(receipt)
            return self._refused(outcome.no_plan())
        request = parse(model)
        self._arrived(receipt)
        try:
            tensors = await self._router.answer(request.tensors, request.rows, receipt.at_s)
        except asyncio.CancelledError:
            self.metrics.drops.labels("disconnected").inc()
            raise
        if isinstance(tensors, Refusal):
            return self._refused(tensors)
        try:
            answer = write(model, request, tensors)
        except ServingError as unwritable:
            return self._refused(outcome.unwritable(str(unwritable)))
        self.metrics.answers.inc()
        self.metrics.latency.observe(self._clock() - receipt.at_s)
        return answer

    def _arrived(self, receipt: Receipt) -> None:
        """Each arrival ends as one answer, drop or error: `_refused` and `infer` count those."""
        self._arrivals.count(receipt.wall_s)
        self.metrics.requests.inc()

    def _refused(self, refusal: Refusal) -> Refusal:
        if refusal.reason == "failed":
            self.metrics.errors.inc()
        else:
            self.metrics.drops.labels(refusal.reason).inc()
        return refusal
