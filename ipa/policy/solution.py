"""What a policy answers: a judged plan, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from ipa.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Solution:
    """`evaluation` is None without a feasible plan. `gap` is relative and 0 where the plan is proven best."""

    evaluation: Evaluation | None
    reason: str
    solver: str
    status: str
    gap: float | None
    seconds: float = 0.0
