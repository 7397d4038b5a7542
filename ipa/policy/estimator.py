"""InferLine's estimator: what a simulation says of a plan, each plan simulated once.

A run ends as soon as more are late than the percentile leaves. The data plane is ipa's, which drops what is far too
late; the paper's keeps it, but dropped is late here, so that a plan which passes is one that hardly drops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ipa.domain import Plan
from ipa.policy.rehearsal import Rehearsal
from ipa.policy.sections import at_percentile

Judge = Callable[[Plan], float | None]
"""The percentile in simulation, in seconds; None where the plan does not pass."""


@dataclass(slots=True)
class Estimator:
    """A judge that remembers. `asked` counts the questions, the plans simulated are those `known`."""

    judge: Judge
    asked: int = 0
    known: dict[Plan, float | None] = field(default_factory=dict)

    def __call__(self, plan: Plan) -> float | None:
        self.asked += 1
        if plan not in self.known:
            self.known[plan] = self.judge(plan)
        return self.known[plan]


def by_sample(rehearsal: Rehearsal) -> Judge:
    """The percentile of the sample itself is within the SLO, as in the paper; 0 s where nothing arrives."""

    def judge(plan: Plan) -> float | None:
        if not len(rehearsal.arrivals_s):
            return 0.0
        latency_s = rehearsal.latencies_s(plan)
        return None if latency_s is None else at_percentile(latency_s, rehearsal.slo.percentile)

    return judge


def by_certificate(rehearsal: Rehearsal) -> Judge:
    """So is the upper end of its confidence interval."""

    def judge(plan: Plan) -> float | None:
        certificate = rehearsal.certificate(plan)
        return None if certificate is None else certificate.latency_s or 0.0

    return judge
