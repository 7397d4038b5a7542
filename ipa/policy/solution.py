"""What a policy answers: a judged plan, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from ipa.evaluation import Evaluation

TIME_LIMIT_S = 10.0  # for a decision; what is not proven by then is reported with its gap


@dataclass(frozen=True, slots=True)
class Solution:
    """`evaluation` is None without a feasible plan. `gap` is `relative_gap` and 0 where the plan is proven best.

    `bound` is the most that any feasible plan's objective can be, where the solver gives one.
    """

    evaluation: Evaluation | None
    reason: str
    solver: str
    status: str
    gap: float | None
    seconds: float = 0.0
    bound: float | None = None


def relative_gap(objective: float, bound: float) -> float:
    """(bound − objective) / |objective|: how much better, as a share, a plan could still be; never below 0."""
    return max(0.0, bound - objective) / max(1e-9, abs(objective))
