"""What a report shows, whatever it was read from: a simulation, a load test or the journal of an adapted pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ipa.domain import Change, Plan
from ipa.ports import Outcome

Kind = Literal["simulation", "load test", "adapt journal"]


@dataclass(frozen=True, slots=True)
class Second:
    """What became of the requests intended for one second; sent = answered + dropped + failed.

    `late` were answered after the SLO. `cores`: in use, on average. None: unknown, or nothing to take it of.
    """

    second: int
    sent: int
    answered: int
    dropped: int
    failed: int
    late: int
    p50_s: float | None = None
    p99_s: float | None = None
    accuracy: float | None = None
    cores: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One turn of the loop, `at_s` seconds after the start of the run. What it did not reach is None.

    objective, accuracy, latency_s and cost_cores are of the plan `wanted`, as the profile predicts them.
    """

    at_s: float
    reason: str
    rate_rps: float | None = None
    forecast_rps: float | None = None
    live: Plan | None = None
    wanted: Plan | None = None
    objective: float | None = None
    accuracy: float | None = None
    latency_s: float | None = None
    cost_cores: float | None = None
    apply: Plan | None = None
    changes: tuple[Change, ...] = ()
    outcome: Outcome | None = None

    @property
    def applied(self) -> bool:
        return self.outcome is not None and self.outcome.applied


@dataclass(frozen=True, slots=True)
class Summary:
    """All of a run in one row; slo_share counts late, dropped and failed requests as missed. None: unknown.

    `objective`: its mean over time; `regret`: how far it is below that of the best policy, the oracle.
    `reasons`: why requests were dropped or failed, and how many.
    """

    sent: int
    answered: int
    dropped: int
    failed: int
    slo_share: float | None
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    accuracy: float | None
    core_hours: float | None
    cost: float | None = None
    objective: float | None = None
    regret: float | None = None
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One policy under one seed. A load test and a journal are one such run each."""

    policy: str
    seed: int
    summary: Summary | None
    seconds: tuple[Second, ...]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Objective:
    """`percentile` of the requests must be answered within `latency_s`; None: what was recorded does not say."""

    latency_s: float | None
    percentile: float = 99.0


@dataclass(frozen=True, slots=True)
class Run:
    """`title`: the pipeline's name. `start`: when second 0 was, aware and in the reader's zone; None in virtual time.

    `notes`: what the reader of the report must know of its source, as that part of it was left out.
    """

    kind: Kind
    title: str
    source: str
    objective: Objective
    policies: tuple[PolicyRun, ...]
    trace: str | None = None
    start: datetime | None = None
    duration_s: float = 0.0
    notes: tuple[str, ...] = field(default=())
