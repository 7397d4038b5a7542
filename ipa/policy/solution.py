"""What a policy answers: a judged plan, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from ipa.domain import Allocation
from ipa.evaluation import Evaluation

TIME_LIMIT_S = 10.0  # for a decision; what is not proven by then is reported with its gap


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the simulated data plane made of a plan: `latency_s` ± `half_width_s` is the latency at `percentile`.

    Over all `requests`, a dropped one counts as infinitely late; `slo_share` of them were in time. `cv`: how much the
    times between arrivals vary, deviation / mean; 1 is Poisson. The numbers are None where no plan passed or nothing
    arrives. `plans_tried`: simulated until this one was found.
    """

    percentile: float
    latency_s: float | None
    half_width_s: float | None
    slo_share: float | None
    requests: int
    cv: float
    plans_tried: int = 1


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a greedy search that was taken, and what the plan costs after it; `before` is None at its start."""

    name: str
    stage: str
    before: Allocation | None
    after: Allocation
    cost: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample of arrivals made of a plan: the latency at `percentile` of all its `requests`.

    The search asked for `asked` plans, of which `simulated` were simulated; `actions` led to this one. `latency_s` is
    None where no plan was found or nothing arrives.
    """

    percentile: float
    latency_s: float | None
    requests: int
    asked: int
    simulated: int
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Solution:
    """`evaluation` is None without a feasible plan. `gap` is `relative_gap` and 0 where the plan is proven best.

    `bound` is the most that any feasible plan's objective can be, where the solver gives one. `certificate`: what a
    simulation says of the plan, where one was asked for. `estimate`: what a planner made the plan on.
    """

    evaluation: Evaluation | None
    reason: str
    solver: str
    status: str
    gap: float | None
    seconds: float = 0.0
    bound: float | None = None
    certificate: Certificate | None = None
    estimate: Estimate | None = None


def relative_gap(objective: float, bound: float) -> float:
    """(bound − objective) / |objective|: how much better, as a share, a plan could still be; never below 0."""
    return max(0.0, bound - objective) / max(1e-9, abs(objective))
