"""Judge: a choice of options → every number of the plan and the limits it breaks. All plans are judged here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from ipa.domain import Plan
from ipa.options import TOLERANCE, Floats, Ints, Problem, StageOptions


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every number of one choice (an option index a stage), and which limits it breaks."""

    choice: tuple[int, ...]
    plan: Plan
    objective: float
    score: float
    accuracy: float
    cost_cores: float
    cost_per_hour: float
    latency_s: float
    broken: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        return not self.broken


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound that is in force, on the quantity of the same name; floors are lower bounds."""

    name: str
    bound: float
    floor: bool = False

    @property
    def key(self) -> str:
        """Where the config sets it."""
        if self.name == "latency":
            return "slo.latency"
        hardware = self.name.removeprefix("capacity.")
        return f"limits.{self.name}" if hardware == self.name else f"hardware.{hardware}.capacity"

    def holds(self, value: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return value >= self.bound - TOLERANCE if self.floor else value <= self.bound + TOLERANCE


def limits_of(problem: Problem) -> tuple[Limit, ...]:
    """Every limit in force: the SLO, those of `limits`, the hardware's capacities."""
    limits = problem.limits
    ceilings = {
        "latency": problem.slo_s,
        "cores": limits.cores,
        "cost_per_hour": limits.cost_per_hour,
        "replicas": limits.replicas,
        **{f"capacity.{name}": bound for name, (bound, _) in problem.capacity.items()},
    }
    floors = {"accuracy": limits.accuracy, "score": limits.score}
    return (
        *(Limit(name, bound) for name, bound in ceilings.items() if bound is not None and isfinite(bound)),
        *(Limit(name, bound, floor=True) for name, bound in floors.items() if bound is not None),
    )


def score_factors(stage: StageOptions, score: str) -> Floats:
    """What each variant brings to the score: a factor for the product scores, a term for the others."""
    count = len(stage.variants)
    match score:
        case "rank-sum":
            return stage.ranks / (count - 1) if count > 1 else np.ones(count)
        case "rank-product":  # k/(K − 1), the paper's rank, would let the lightest variant zero the pipeline
            return (stage.ranks + 1) / count
        case _:
            return stage.accuracies


def is_product(score: str) -> bool:
    return score in ("product", "rank-product")


def additive_score(problem: Problem, stage: StageOptions) -> Floats:
    """What each option adds to a score that is a sum or a mean."""
    share = 1 / len(problem.stages) if problem.objective.score == "mean" else 1.0
    return np.asarray(share * score_factors(stage, problem.objective.score)[stage.variant_index])


def worth(problem: Problem, stage: StageOptions) -> Floats:
    """What each option adds to the objective, but for a score that is a product."""
    weights = problem.objective
    cost = stage.cost_cores if weights.unit == "cores" else stage.cost_per_hour
    own = -weights.cost_weight * cost - weights.batch_weight * stage.batch
    return own if is_product(weights.score) else own + weights.accuracy_weight * additive_score(problem, stage)


def quantities(problem: Problem, choices: Ints) -> dict[str, Floats]:
    """Everything that is limited or reported, for N choices at once.

    `choices` has the shape (stages, N) and holds option indices; each result has the shape (N,). The keys are the
    names of the limits, `objective` and `batches`.
    """
    picked = list(zip(problem.stages, choices, strict=True))
    weights = problem.objective
    factors = np.array([score_factors(s, weights.score)[s.variant_index[k]] for s, k in picked])
    score = factors.prod(axis=0) if is_product(weights.score) else factors.sum(axis=0)
    score = score / len(picked) if weights.score == "mean" else score
    cores = np.array([s.cost_cores[k] for s, k in picked]).sum(axis=0)
    cost_per_hour = np.array([s.cost_per_hour[k] for s, k in picked]).sum(axis=0)
    batches = np.array([s.batch[k] for s, k in picked]).sum(axis=0).astype(np.float64)
    cost = cores if weights.unit == "cores" else cost_per_hour
    return {
        "objective": weights.accuracy_weight * score - weights.cost_weight * cost - weights.batch_weight * batches,
        "score": score,
        "accuracy": np.array([s.accuracy[k] for s, k in picked]).prod(axis=0),
        "cores": cores,
        "cost_per_hour": cost_per_hour,
        "latency": _slowest_path_s(problem, [s.delay_s[k] for s, k in picked]),
        "replicas": np.array([s.replicas[k] for s, k in picked]).max(axis=0).astype(np.float64),
        "batches": batches,
        **{
            f"capacity.{name}": np.array([capacity_use(s, name, counts)[k] for s, k in picked]).sum(axis=0)
            for name, (_, counts) in problem.capacity.items()
        },
    }


def capacity_use(stage: StageOptions, hardware: str, counts: str) -> Floats:
    """What each option takes of a hardware's capacity, in replicas or in cores."""
    on_it = np.array([stage.hardware[i] == hardware for i in stage.hardware_index])
    return np.where(on_it, stage.replicas if counts == "replicas" else stage.cost_cores, 0.0)


def _slowest_path_s(problem: Problem, delays_s: Sequence[Floats]) -> Floats:
    """Σ (l + q) along the slowest path; a stage is listed after those it waits for."""
    finish: list[Floats] = []
    for stage, delay_s in zip(problem.stages, delays_s, strict=True):
        start = np.max([finish[i] for i in stage.after], axis=0) if stage.after else 0.0
        finish.append(start + delay_s)
    return np.asarray(np.max(finish, axis=0))


def evaluate(problem: Problem, choice: Sequence[int]) -> Evaluation:
    """One option index a stage → the plan and its numbers."""
    columns = quantities(problem, np.array(choice, dtype=np.int64)[:, None])
    numbers = {name: float(column[0]) for name, column in columns.items()}
    return Evaluation(
        choice=tuple(int(k) for k in choice),
        plan=Plan(tuple(s.allocation(k) for s, k in zip(problem.stages, choice, strict=True))),
        objective=numbers["objective"],
        score=numbers["score"],
        accuracy=numbers["accuracy"],
        cost_cores=numbers["cores"],
        cost_per_hour=numbers["cost_per_hour"],
        latency_s=numbers["latency"],
        broken=tuple(limit.name for limit in limits_of(problem) if not limit.holds(columns[limit.name])[0]),
    )


def evaluate_live(problem: Problem, plan: Plan) -> Evaluation | None:
    """A running plan, with the replicas it has, at the problem's rate; None if it holds an option nobody priced.

    `rate` is among the broken limits where its replicas cannot carry the load.
    """
    found = _running(problem, plan)
    if found is None:
        return None
    only, short = found
    live = evaluate(only, (0,) * len(only.stages))
    return replace(live, broken=("rate", *live.broken)) if short else live


def only_live(problem: Problem, plan: Plan) -> Problem | None:
    """The problem whose only choice is a running plan; None if it holds an option nobody priced or too few replicas."""
    found = _running(problem, plan)
    return found[0] if found is not None and not found[1] else None


def choice_of(problem: Problem, plan: Plan) -> tuple[int, ...] | None:
    """The options of a plan, whatever its replicas; None if it holds one nobody priced."""
    pairs = zip(problem.stages, plan.allocations, strict=True)
    found = [_option(stage, a.server, a.batch) for stage, a in pairs]
    return None if None in found else tuple(k for k in found if k is not None)


def _running(problem: Problem, plan: Plan) -> tuple[Problem, bool] | None:
    """As `only_live`, and whether its replicas are too few for the load.

    The batch-fill bound q is left out: it prices a plan yet to be chosen, and would call every running batch too slow
    as soon as the load falls.
    """
    stages: list[StageOptions] = []
    short = False
    for stage, allocation in zip(problem.stages, plan.allocations, strict=True):
        option = _option(stage, allocation.server, allocation.batch)
        if option is None:
            return None
        short |= bool(allocation.replicas < stage.replicas[option])
        stages.append(replace(stage.only(option, allocation.replicas), queue_s=np.zeros(1)))
    return replace(problem, stages=tuple(stages)), short


def _option(stage: StageOptions, server: tuple[str, str, int], batch: int) -> int | None:
    for k in np.flatnonzero(stage.batch == batch):
        if stage.allocation(int(k)).server == server:
            return int(k)
    return None
