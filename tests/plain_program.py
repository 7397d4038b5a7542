"""The program as a textbook writes it: Pyomo, an integer number of replicas per option, solved by Pyomo's HiGHS.

An oracle and the alternative of the benchmarks. It takes prices from the option table, and nothing else from ipa: not
the replicas, not the reduction, not the evaluation, not the hand-over to HiGHS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import TerminationCondition

from ipa.domain import Pipeline
from ipa.options import Floats, Problem, StageOptions, price

SLACK = 0.5e-9


@dataclass(frozen=True)
class Task:
    """A priced problem, and the rate of each stage that its replicas must carry."""

    problem: Problem
    stage_rps: tuple[float, ...]


def task(pipeline: Pipeline, rate_rps: float) -> Task:
    rates = tuple(rate_rps * stage.visits / pipeline.limits.utilisation for stage in pipeline.stages)
    return Task(price(pipeline, rate_rps), rates)


def best_objective(work: Task) -> float | None:
    """The objective of the best plan, None without a feasible one."""
    model = _model(work)
    result = SolverFactory("highs").solve(
        model,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
        threads=1,
        rel_gap=0.0,
        abs_gap=0.0,
        solver_options={"primal_feasibility_tolerance": 1e-9, "mip_feasibility_tolerance": 1e-9},
    )
    infeasible = (TerminationCondition.provenInfeasible, TerminationCondition.infeasibleOrUnbounded)
    if result.termination_condition in infeasible:
        return None
    assert result.termination_condition == TerminationCondition.convergenceCriteriaSatisfied
    return float(result.incumbent_objective)


def _model(work: Task) -> Any:
    problem, stages = work.problem, work.problem.stages
    m = pyo.ConcreteModel()
    m.options = pyo.Set(initialize=[(s, k) for s, stage in enumerate(stages) for k in range(len(stage))])
    m.x = pyo.Var(m.options, domain=pyo.Binary)
    m.n = pyo.Var(m.options, domain=pyo.NonNegativeIntegers)
    m.one = pyo.Constraint(
        range(len(stages)), rule=lambda m, s: pyo.quicksum(m.x[s, k] for k in range(len(stages[s]))) == 1
    )
    m.carry = pyo.Constraint(
        m.options,
        rule=lambda m, s, k: m.n[s, k] >= max(1.0, work.stage_rps[s] / stages[s].throughput_rps[k] - 1e-9) * m.x[s, k],
    )
    m.rules = pyo.ConstraintList()
    for s, k in m.options:
        if not np.isfinite(stages[s].delay_s[k]):
            m.rules.add(m.x[s, k] == 0)
    _latency(m, problem)
    score, accuracy = _scores(m, problem)
    _limits(m, problem, score, accuracy)
    weights = problem.objective
    cost = _cores(m, problem) if weights.unit == "cores" else _per_hour(m, problem)
    batches = pyo.quicksum(int(stages[s].batch[k]) * m.x[s, k] for s, k in m.options)
    m.objective = pyo.Objective(
        expr=weights.accuracy_weight * score - weights.cost_weight * cost - weights.batch_weight * batches,
        sense=pyo.maximize,
    )
    return m


def _latency(m: Any, problem: Problem) -> None:
    stages = problem.stages
    if not np.isfinite(problem.slo_s):
        return
    m.finish = pyo.Var(range(len(stages)), bounds=(0, problem.slo_s + SLACK))
    for s, stage in enumerate(stages):
        usable = np.flatnonzero(np.isfinite(stage.delay_s))
        own = pyo.quicksum(float(stage.delay_s[k]) * m.x[s, int(k)] for k in usable)
        m.rules.add(m.finish[s] >= own)
        for i in stage.after:
            m.rules.add(m.finish[s] >= m.finish[i] + own)


def _limits(m: Any, problem: Problem, score: Any, accuracy: Any) -> None:
    limits = problem.limits
    if limits.cores is not None:
        m.rules.add(_cores(m, problem) <= limits.cores + SLACK)
    if limits.cost_per_hour is not None:
        m.rules.add(_per_hour(m, problem) <= limits.cost_per_hour + SLACK)
    if limits.accuracy is not None:
        m.rules.add(accuracy >= limits.accuracy - SLACK)
    if limits.score is not None:
        m.rules.add(score >= limits.score - SLACK)
    if limits.replicas is not None:
        for s, k in m.options:
            m.rules.add(m.n[s, k] <= limits.replicas)
    for name, (bound, counts) in problem.capacity.items():
        used = [
            (1 if counts == "replicas" else int(stage.cores[k])) * m.n[s, k]
            for s, stage in enumerate(problem.stages)
            for k in range(len(stage))
            if stage.hardware[stage.hardware_index[k]] == name
        ]
        if used:
            m.rules.add(pyo.quicksum(used) <= bound + SLACK)


def _cores(m: Any, problem: Problem) -> Any:
    return pyo.quicksum(int(problem.stages[s].cores[k]) * m.n[s, k] for s, k in m.options)


def _per_hour(m: Any, problem: Problem) -> Any:
    each = [stage.cost_per_hour / stage.replicas for stage in problem.stages]
    return pyo.quicksum(float(each[s][k]) * m.n[s, k] for s, k in m.options)


def _scores(m: Any, problem: Problem) -> tuple[Any, Any]:
    stages, kind = problem.stages, problem.objective.score
    accuracy = _product(m, "accuracy", problem, [stage.accuracies for stage in stages])
    if kind == "product":
        return accuracy, accuracy
    if kind == "rank-product":
        ranks = [(_ranks(stage) + 1) / len(stage.variants) for stage in stages]
        return _product(m, "score", problem, ranks), accuracy
    terms = []
    for s, stage in enumerate(stages):
        count = len(stage.variants)
        values = stage.accuracies
        if kind == "rank-sum":
            values = _ranks(stage) / (count - 1) if count > 1 else np.ones(1)
        share = len(stages) if kind == "mean" else 1
        terms += [float(values[v]) / share * m.x[s, k] for k, v in enumerate(stage.variant_index)]
    return pyo.quicksum(terms), accuracy


def _ranks(stage: StageOptions) -> Floats:
    return np.array([float(sum(other < own for other in stage.accuracies)) for own in stage.accuracies])


def _product(m: Any, name: str, problem: Problem, factors: list[Floats]) -> Any:
    """w[s,v] carries the product of the stages before s if v is chosen: Σ_v w = that product, w ≤ chosen."""
    index = [(s, v) for s, stage in enumerate(problem.stages) for v in range(len(stage.variants))]
    w = pyo.Var(index, domain=pyo.NonNegativeReals)
    m.add_component(f"w_{name}", w)
    product: Any = 1.0
    for s, stage in enumerate(problem.stages):
        for v in range(len(stage.variants)):
            m.rules.add(w[s, v] <= pyo.quicksum(m.x[s, int(k)] for k in np.flatnonzero(stage.variant_index == v)))
        m.rules.add(pyo.quicksum(w[s, v] for v in range(len(stage.variants))) == product)
        product = pyo.quicksum(float(factors[s][v]) * w[s, v] for v in range(len(stage.variants)))
    return product
