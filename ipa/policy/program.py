"""The integer program of IPA (arXiv 2308.12871, eq. 10) as a Pyomo model, deterministic in names and order.

One binary per option, named by stage and row of the option table. The product of the stages' factors is linear and
exact in flow form: with a[s,m] the factor as a share of the stage's largest and P_1 = Σ a[1,m] · x[1,m,b],
    w[s,m] ≤ Σ_b x[s,m,b],   Σ_m w[s,m] = P_{s−1},   P_s = Σ_m a[s,m] · w[s,m].
Only the chosen variant's w can be positive, so it carries all of P_{s−1}. Shares of the largest keep every P near 1,
however many stages multiply. (A sum of logarithms would be another problem: it ranks plans differently once cost is
subtracted.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ipa.evaluation import additive_score, capacity_use, is_product, limits_of, score_factors, worth
from ipa.options import TOLERANCE, Floats, Ints, Problem, StageOptions

Terms = list[tuple[float, Any]]
"""A linear form: coefficients and Pyomo variables."""


@dataclass(frozen=True, slots=True)
class Program:
    """The Pyomo model, its binaries as [stage][option], and the product in its objective (empty if there is none)."""

    pyomo: Any
    choose: tuple[dict[int, Any], ...]
    product: Terms


def build(problem: Problem, options: Sequence[Ints], goal: str, *, maximise: bool) -> Program:
    """One of `options` a stage, every limit in force, and the goal: `objective` or the name of a limit."""
    import pyomo.environ as pyo

    m = pyo.ConcreteModel()
    names = [stage.stage for stage in problem.stages]
    m.x = pyo.Var([(names[s], int(k)) for s, own in enumerate(options) for k in own], domain=pyo.Binary)
    x = tuple({int(k): m.x[names[s], int(k)] for k in own} for s, own in enumerate(options))
    m.rules = pyo.Constraint(pyo.Any)
    for name, binaries in zip(names, x, strict=True):
        row(m, ("one", name), 1.0, [(1.0, v) for v in binaries.values()], 1.0)
    forms = _Forms(m, problem, x)
    for limit in limits_of(problem):
        slack = TOLERANCE * 0.5
        if limit.floor:
            row(m, ("limit", limit.name), limit.bound - slack, forms.of(limit.name), None)
        else:
            row(m, ("limit", limit.name), None, forms.of(limit.name), limit.bound + slack)
    m.goal = pyo.Objective(expr=_sum(forms.of(goal)), sense=pyo.maximize if maximise else pyo.minimize)
    multiplied = goal == "objective" and is_product(problem.objective.score)
    return Program(m, x, forms.of("score") if multiplied else [])


class _Forms:
    """Each quantity of the evaluation as a linear form; auxiliary variables are made when first asked for."""

    def __init__(self, m: Any, problem: Problem, x: Sequence[dict[int, Any]]) -> None:
        self._m, self._problem, self._x = m, problem, x
        self._made: dict[str, Terms] = {}

    def of(self, name: str) -> Terms:
        if name == "score" and self._problem.objective.score == "product":
            name = "accuracy"
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Terms:
        problem, stages = self._problem, self._problem.stages
        weights = problem.objective
        match name:
            case "objective":
                return self._objective()
            case "score" if not is_product(weights.score):
                return self._total([additive_score(problem, stage) for stage in stages])
            case "score":
                return self._product("score", [score_factors(stage, weights.score) for stage in stages])
            case "accuracy":
                return self._product("accuracy", [stage.accuracies for stage in stages])
            case "cores":
                return self._total([stage.cost_cores for stage in stages])
            case "cost_per_hour":
                return self._total([stage.cost_per_hour for stage in stages])
            case "latency":
                return self._slowest_path()
            case "replicas":
                return self._largest("replicas", [self._one(s, stage.replicas) for s, stage in enumerate(stages)])
            case _:
                hardware = name.removeprefix("capacity.")
                counts = problem.capacity[hardware][1]
                return self._total([capacity_use(stage, hardware, counts) for stage in stages])

    def _objective(self) -> Terms:
        weights = self._problem.objective
        own = self._total([worth(self._problem, stage) for stage in self._problem.stages])
        if not is_product(weights.score) or not weights.accuracy_weight:
            return own
        return [(weights.accuracy_weight * c, v) for c, v in self.of("score")] + own

    def _one(self, s: int, column: Any) -> Terms:
        """The column's value at the stage's chosen option."""
        return [(float(column[k]), v) for k, v in self._x[s].items()]

    def _total(self, columns: Sequence[Floats]) -> Terms:
        return [term for s, column in enumerate(columns) for term in self._one(s, column)]

    def _largest(self, name: str, forms: Sequence[Terms]) -> Terms:
        """A variable at or above every form; minimised or bounded, it is their maximum."""
        import pyomo.environ as pyo

        if len(forms) == 1:
            return forms[0]
        variable = pyo.Var(domain=pyo.NonNegativeReals)
        self._m.add_component(f"largest_{name}", variable)
        for i, form in enumerate(forms):
            row(self._m, (name, i), None, [*form, (-1.0, variable)], 0.0)
        return [(1.0, variable)]

    def _slowest_path(self) -> Terms:
        """Finish times as forms along chains; a variable only where paths join."""
        finish: list[Terms] = []
        for s, stage in enumerate(self._problem.stages):
            own = self._one(s, stage.delay_s)
            starts = [finish[i] for i in stage.after]
            finish.append(self._largest(f"start_{stage.stage}", starts) + own if starts else own)
        waited_for = {i for stage in self._problem.stages for i in stage.after}
        return self._largest("finish", [finish[i] for i in range(len(finish)) if i not in waited_for])

    def _product(self, name: str, factors: Sequence[Floats]) -> Terms:
        """The product of the chosen variants' factors, in the flow form of the module's docstring."""
        import pyomo.environ as pyo

        stages = self._problem.stages
        chosen = [_by_variant(stage, own) for stage, own in zip(stages, self._x, strict=True)]
        largest = [float(max(f[v] for v in own)) or 1.0 for f, own in zip(factors, chosen, strict=True)]
        index = [
            (stage.stage, stage.variants[v]) for stage, own in zip(stages[1:], chosen[1:], strict=True) for v in own
        ]
        w = pyo.Var(index, domain=pyo.NonNegativeReals)
        self._m.add_component(f"flow_{name}", w)
        product = [(float(factors[0][v]) / largest[0], x) for v, xs in chosen[0].items() for x in xs]
        for s, stage in list(enumerate(stages))[1:]:
            flows = {v: w[stage.stage, stage.variants[v]] for v in chosen[s]}
            for v, xs in chosen[s].items():
                row(
                    self._m,
                    (name, stage.stage, stage.variants[v]),
                    None,
                    [(1.0, flows[v]), *((-1.0, x) for x in xs)],
                    0.0,
                )
            row(
                self._m,
                (name, stage.stage),
                0.0,
                [(1.0, flow) for flow in flows.values()] + [(-c, v) for c, v in product],
                0.0,
            )
            product = [(float(factors[s][v]) / largest[s], flow) for v, flow in flows.items()]
        return [(prod(largest) * c, v) for c, v in product]


def unlimited(problem: Problem) -> float:
    """The most the objective could be if nothing were limited and each stage had the best of every option."""
    weights = problem.objective
    most = sum(float(worth(problem, stage).max()) for stage in problem.stages)
    if not is_product(weights.score):
        return most
    return most + weights.accuracy_weight * prod(float(score_factors(s, weights.score).max()) for s in problem.stages)


def _by_variant(stage: StageOptions, binaries: dict[int, Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for k, variable in binaries.items():
        found.setdefault(int(stage.variant_index[k]), []).append(variable)
    return found


def _sum(terms: Terms) -> Any:
    """Made in one piece: adding up Pyomo terms one by one takes most of the time of small problems."""
    from pyomo.core.expr.numeric_expr import LinearExpression

    return LinearExpression(constant=0.0, linear_coefs=[c for c, _ in terms], linear_vars=[v for _, v in terms])


def row(m: Any, name: tuple[str | int, ...], lower: float | None, terms: Terms, upper: float | None) -> None:
    """One more constraint; None is no bound."""
    m.rules[name] = (lower, _sum(terms), upper)
