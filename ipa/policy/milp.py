"""The integer program of IPA (arXiv 2308.12871, eq. 10), by Pyomo and HiGHS: the home of both libraries.

One binary per option. The product of the stages' factors is linear and exact in flow form: with P_0 = 1,
    w[s,m] ≤ U_{s−1} · Σ_b x[s,m,b],   Σ_m w[s,m] = P_{s−1},   P_s = Σ_m a[s,m] · w[s,m],
where U_s is the product of the stages' largest factors. Only the chosen variant's w can be positive, so it carries
all of P_{s−1}. (A sum of logarithms would be another problem: it ranks plans differently once cost is subtracted.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipa.errors import IpaError
from ipa.evaluation import Evaluation, capacity_use, evaluate, is_product, limits_of, score_factors
from ipa.options import TOLERANCE, Floats, Problem
from ipa.policy.solution import Solution

# As tight as HiGHS is sound, so that a limit means the same here as in the evaluation.
_TOLERANCES = {"primal_feasibility_tolerance": 1e-9, "mip_feasibility_tolerance": 1e-9}


@dataclass(frozen=True, slots=True)
class Model:
    """The Pyomo model, its binaries as [stage][option], and the expression of each limited quantity."""

    pyomo: Any
    choose: list[dict[int, Any]]
    expressions: dict[str, Any]


def solve(problem: Problem) -> Solution:
    """The best plan, proven (gap 0), or none."""
    evaluation = optimise(problem, "objective", maximise=True)
    if evaluation is None:
        return Solution(None, "no feasible plan", "milp", "infeasible", None)
    return Solution(evaluation, "proven best by HiGHS", "milp", "optimal", 0.0)


def optimise(problem: Problem, goal: str, *, maximise: bool) -> Evaluation | None:
    """The feasible plan with the largest or smallest `goal`: `objective` or the name of any quantity of `build`."""
    import pyomo.environ as pyo

    if not all(np.isfinite(stage.delay_s).any() for stage in problem.stages):
        return None  # at rate 0 a stage without a batch of 1 has no option that ever answers
    model = build(problem)
    sense = pyo.maximize if maximise else pyo.minimize
    model.pyomo.goal = pyo.Objective(expr=model.expressions[goal], sense=sense)
    while True:
        choice = _solve(model)
        if choice is None:
            return None
        evaluation = evaluate(problem, choice)
        if evaluation.feasible:
            return evaluation
        # Within the solver's tolerance but not within ours: forbid this one combination and ask again.
        model.pyomo.cuts.add(sum(model.choose[s][k] for s, k in enumerate(choice)) <= len(choice) - 1)


def build(problem: Problem) -> Model:
    """All but the objective: one option a stage, and every limit in force."""
    import pyomo.environ as pyo

    m = pyo.ConcreteModel()
    m.rules, m.cuts = pyo.ConstraintList(), pyo.ConstraintList()
    usable = [np.flatnonzero(np.isfinite(stage.delay_s)) for stage in problem.stages]
    m.x = pyo.Var([(s, int(k)) for s, options in enumerate(usable) for k in options], domain=pyo.Binary)
    x = [{int(k): m.x[s, int(k)] for k in options} for s, options in enumerate(usable)]
    for binaries in x:
        m.rules.add(sum(binaries.values()) == 1)
    expressions = _expressions(m, problem, x)
    for limit in limits_of(problem):
        body = expressions[limit.name]
        slack = TOLERANCE * 0.5
        m.rules.add(body >= limit.bound - slack if limit.floor else body <= limit.bound + slack)
    return Model(m, x, expressions)


def _expressions(m: Any, problem: Problem, x: list[dict[int, Any]]) -> dict[str, Any]:
    """Each quantity of the evaluation as a linear expression (of auxiliary variables where it needs them)."""
    import pyomo.environ as pyo

    def total(columns: Sequence[Floats]) -> Any:
        return pyo.quicksum(float(column[k]) * v for column, xs in zip(columns, x, strict=True) for k, v in xs.items())

    weights, stages = problem.objective, problem.stages
    cores = total([stage.cost_cores for stage in stages])
    cost_per_hour = total([stage.cost_per_hour for stage in stages])
    accuracy = _product(m, "accuracy", problem, x, [stage.accuracies for stage in stages])
    factors = [score_factors(stage, weights.score) for stage in stages]
    if weights.score == "product":
        score = accuracy
    elif is_product(weights.score):
        score = _product(m, "score", problem, x, factors)
    else:
        share = 1 / len(stages) if weights.score == "mean" else 1.0
        score = total([share * f[stage.variant_index] for stage, f in zip(stages, factors, strict=True)])
    cost = cores if weights.unit == "cores" else cost_per_hour
    batches = total([stage.batch.astype(np.float64) for stage in stages])
    return {
        "objective": weights.accuracy_weight * score - weights.cost_weight * cost - weights.batch_weight * batches,
        "score": score,
        "accuracy": accuracy,
        "cores": cores,
        "cost_per_hour": cost_per_hour,
        "latency": _slowest_path(m, problem, x),
        "replicas": _largest(m, "replicas", [_one(x, s, stage.replicas) for s, stage in enumerate(stages)]),
        **{
            f"capacity.{name}": total([capacity_use(stage, name, counts) for stage in stages])
            for name, (_, counts) in problem.capacity.items()
        },
    }


def _one(x: list[dict[int, Any]], stage: int, column: Any) -> Any:
    """The column's value at the stage's chosen option."""
    import pyomo.environ as pyo

    return pyo.quicksum(float(column[k]) * v for k, v in x[stage].items())


def _largest(m: Any, name: str, bodies: Sequence[Any]) -> Any:
    """A variable at or above every body; minimised or bounded, it is their maximum."""
    import pyomo.environ as pyo

    if len(bodies) == 1:
        return bodies[0]
    variable = pyo.Var(domain=pyo.NonNegativeReals)
    m.add_component(f"largest_{name}", variable)
    for body in bodies:
        m.rules.add(variable >= body)
    return variable


def _slowest_path(m: Any, problem: Problem, x: list[dict[int, Any]]) -> Any:
    """Finish times as expressions along chains; a variable only where paths join."""
    finish: list[Any] = []
    for s, stage in enumerate(problem.stages):
        own = _one(x, s, stage.delay_s)
        starts = [finish[i] for i in stage.after]
        finish.append(own + _largest(m, f"start_{s}", starts) if starts else own)
    waited_for = {i for stage in problem.stages for i in stage.after}
    return _largest(m, "finish", [finish[i] for i in range(len(finish)) if i not in waited_for])


def _product(m: Any, name: str, problem: Problem, x: list[dict[int, Any]], factors: Sequence[Floats]) -> Any:
    """The product of the chosen variants' factors, in the flow form of the module's docstring."""
    import pyomo.environ as pyo

    index = [(s, v) for s, stage in enumerate(problem.stages) for v in range(len(stage.variants))]
    w = pyo.Var(index, domain=pyo.NonNegativeReals)
    m.add_component(f"flow_{name}", w)
    product: Any = 1.0
    bound = 1.0
    for s, stage in enumerate(problem.stages):
        variants = range(len(stage.variants))
        for v in variants:
            chosen = pyo.quicksum(var for k, var in x[s].items() if stage.variant_index[k] == v)
            m.rules.add(w[s, v] <= bound * chosen)
        m.rules.add(pyo.quicksum(w[s, v] for v in variants) == product)
        product = pyo.quicksum(float(factors[s][v]) * w[s, v] for v in variants)
        bound *= float(factors[s].max())
    return product


def _solve(model: Model) -> list[int] | None:
    """One option a stage, or None if the model is infeasible. Raises IpaError if HiGHS gives up."""
    from pyomo.contrib.solver.common.factory import SolverFactory
    from pyomo.contrib.solver.common.results import TerminationCondition as Condition

    result = SolverFactory("highs").solve(
        model.pyomo,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
        threads=1,
        rel_gap=0.0,
        abs_gap=0.0,
        solver_options=_TOLERANCES,
    )
    if result.termination_condition == Condition.convergenceCriteriaSatisfied:
        values = result.solution_loader.get_vars([v for xs in model.choose for v in xs.values()])
        return [max(xs, key=lambda k: values[xs[k]]) for xs in model.choose]
    if result.termination_condition in (Condition.provenInfeasible, Condition.infeasibleOrUnbounded):
        return None
    raise IpaError(f"policy milp: HiGHS stopped with {result.termination_condition.name}")
