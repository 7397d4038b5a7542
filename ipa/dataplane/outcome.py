"""Why a request got no answer, as a value; the four reasons and the HTTP status of each (gRPC: grpc_ingress)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is deadline, queue-full, unavailable (all dropped before work was spent) or failed."""

    status: int
    reason: str
    message: str

    @property
    def headers(self) -> dict[str, str]:
        """X-Ipa-Drop tells a drop from a failure; Retry-After tells a client to come back."""
        return {} if self.reason == "failed" else {"X-Ipa-Drop": self.reason, "Retry-After": "1"}


def too_late(stage: str, age_s: float, remaining_s: float, drop_after_s: float) -> Refusal:
    return Refusal(
        504,
        "deadline",
        f"dropped at stage {stage!r}: age {age_s:.3f} s + {remaining_s:.3f} s of work left "
        f"is more than {drop_after_s:g} s",
    )


def queue_full(stage: str, limit: int) -> Refusal:
    return Refusal(503, "queue-full", f"{limit} requests wait at stage {stage!r} already, the limit")


def no_replica(stage: str) -> Refusal:
    return Refusal(503, "unavailable", f"stage {stage!r} has no live replica")


def no_plan() -> Refusal:
    return Refusal(503, "unavailable", "no plan is routed yet")


def failed(stage: str, cause: str) -> Refusal:
    """Two replicas failed with the request inside: 502, as of a gateway."""
    return Refusal(502, "failed", f"stage {stage!r} failed twice; the last time: {cause}")


def model_failed(stage: str, cause: str) -> Refusal:
    """The model fails on this very request: 500, which tells a client that trying again is of no use."""
    return Refusal(500, "failed", f"stage {stage!r} fails on this request: {cause}")


def unwritable(cause: str) -> Refusal:
    """The pipeline answered, and the client's wire cannot carry the answer."""
    return Refusal(500, "failed", cause)
