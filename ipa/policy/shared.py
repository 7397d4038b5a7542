"""Several pipelines, one budget of cores: the split with the largest Σ weight × objective, exactly.

Each pipeline's staircase says what it makes of every number of cores; a multiple-choice knapsack picks a step of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ipa.evaluation import Evaluation, evaluate
from ipa.options import TOLERANCE, Problem
from ipa.policy import policy_named
from ipa.policy.fixed import diagnose_for
from ipa.policy.infeasible import Diagnosis, diagnose
from ipa.policy.knapsack import Group, Knapsack, cheapest, picks, tabulate
from ipa.policy.solution import Solution
from ipa.policy.staircase import Step, staircase


@dataclass(frozen=True, slots=True)
class Demand:
    """A pipeline at its rate, and how much a unit of its objective counts."""

    problem: Problem
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """What one pipeline gets; `alone` is its best plan on its own limits, `diagnosis` why it has none."""

    demand: Demand
    solution: Solution
    alone: Evaluation | None
    diagnosis: Diagnosis | None = None

    @property
    def cut(self) -> bool:
        """Whether the budget costs it anything."""
        got = self.solution.evaluation
        return got is not None and self.alone is not None and got.objective < self.alone.objective - TOLERANCE


@dataclass(frozen=True, slots=True)
class MoreCores:
    """The fewest `cores` beyond the budget that buy anything: `gain` in Σ weight × objective, most of it for
    `pipeline`. Where there is no split yet both are None, and so many cores are missing."""

    cores: int
    pipeline: str | None
    gain: float | None


@dataclass(frozen=True, slots=True)
class Split:
    """`cores` is the budget, None if there is none; `more` is None if more cores would buy nothing."""

    shares: tuple[Share, ...]
    cores: float | None
    reason: str
    more: MoreCores | None = None

    @property
    def plans(self) -> tuple[Evaluation, ...]:
        """One a pipeline; () unless all have one."""
        found = tuple(plan for share in self.shares if (plan := share.solution.evaluation) is not None)
        return found if len(found) == len(self.shares) else ()

    @property
    def objective(self) -> float | None:
        """Σ weight × objective."""
        pairs = zip(self.shares, self.plans, strict=False)
        return sum(share.demand.weight * plan.objective for share, plan in pairs) if self.plans else None

    @property
    def cost_cores(self) -> float | None:
        return sum(plan.cost_cores for plan in self.plans) if self.plans else None


def apart(demands: Sequence[Demand], policy: str) -> Split:
    """Without a budget: every pipeline on its own limits, by the policy of that name. Raises UsageError."""
    choose, shares = policy_named(policy), []
    for demand in demands:
        solution = choose(demand.problem)
        diagnosis = None if solution.evaluation else diagnose_for(policy, demand.problem)
        shares.append(Share(demand, solution, solution.evaluation, diagnosis))
    return Split(tuple(shares), None, _unserved(shares) or "each pipeline on its own limits")


def share(demands: Sequence[Demand], cores: float) -> Split:
    """The best split of a finite budget; among splits within 1e-9 × the smallest weight one of the fewest cores."""
    stairs = [staircase(demand.problem, "cores", "objective") for demand in demands]
    budget = int(cores + TOLERANCE)
    if not all(stairs):
        return _none(demands, stairs, cores, None)
    missing = sum(int(steps[0].cost) for steps in stairs) - budget
    if missing > 0:
        return _none(demands, stairs, cores, MoreCores(missing, None, None))
    groups = [_group(demand, steps) for demand, steps in zip(demands, stairs, strict=True)]
    # Whoever is not at the top of its stairs is at most one step away from a gain.
    highest = max(int(np.diff(group.costs, append=group.costs[-1]).max()) for group in groups)
    knapsack = tabulate(groups, budget + highest)
    tolerance = TOLERANCE * min(demand.weight for demand in demands)
    taken = picks(knapsack, cheapest(knapsack, budget, tolerance))
    shares = tuple(
        Share(demand, _solution(demand, steps[k], cores), evaluate(demand.problem, steps[-1].choice))
        for demand, steps, k in zip(demands, stairs, taken, strict=True)
    )
    return Split(shares, cores, f"the best split of {cores:g} cores", _more(demands, knapsack, budget, tolerance))


def _group(demand: Demand, steps: Sequence[Step]) -> Group:
    costs = np.array([round(step.cost) for step in steps], dtype=np.int64)
    return Group(costs, demand.weight * np.array([step.value for step in steps]))


def _solution(demand: Demand, step: Step, cores: float) -> Solution:
    reason = f"its part of the best split of {cores:g} cores"
    return Solution(evaluate(demand.problem, step.choice), reason, "shared", "optimal", 0.0)


def _more(demands: Sequence[Demand], knapsack: Knapsack, budget: int, tolerance: float) -> MoreCores | None:
    """The first larger budget with a better split, and who gains most by it."""
    row, at = knapsack.best[-1], budget - knapsack.least
    better = np.flatnonzero(row[at + 1 :] > row[at] + tolerance) if at < len(row) else np.array([])
    if not better.size:
        return None
    cores = int(better[0]) + 1
    before, after = (picks(knapsack, cheapest(knapsack, b, tolerance)) for b in (budget, budget + cores))
    gains = [float(g.values[b] - g.values[a]) for g, a, b in zip(knapsack.groups, before, after, strict=True)]
    return MoreCores(cores, demands[int(np.argmax(gains))].problem.pipeline, float(row[at + cores] - row[at]))


# --- no split ----------------------------------------------------------------------------------------------


def _none(
    demands: Sequence[Demand], stairs: Sequence[Sequence[Step]], cores: float, missing: MoreCores | None
) -> Split:
    shares = [_without(demand, steps) for demand, steps in zip(demands, stairs, strict=True)]
    return Split(tuple(shares), cores, _unserved(shares) or _too_few(demands, stairs, cores), missing)


def _without(demand: Demand, steps: Sequence[Step]) -> Share:
    if not steps:
        diagnosis = diagnose(demand.problem)
        return Share(demand, Solution(None, diagnosis.reason, "shared", "infeasible", None), None, diagnosis)
    reason = f"no split of the cores; alone it needs at least {steps[0].cost:g}"
    alone = evaluate(demand.problem, steps[-1].choice)
    return Share(demand, Solution(None, reason, "shared", "infeasible", None), alone)


def _unserved(shares: Sequence[Share]) -> str:
    """The pipelines that no budget can serve, each with its reason."""
    return "; ".join(f"{s.demand.problem.pipeline}: {s.diagnosis.reason}" for s in shares if s.diagnosis)


def _too_few(demands: Sequence[Demand], stairs: Sequence[Sequence[Step]], cores: float) -> str:
    least = {demand.problem.pipeline: steps[0].cost for demand, steps in zip(demands, stairs, strict=True)}
    each = " + ".join(f"{name} {need:g}" for name, need in least.items())
    return f"{cores:g} cores are too few: the least are {each} = {sum(least.values()):g}"
