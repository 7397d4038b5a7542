"""Label setting in NumPy: exact on chains and on graphs with few paths, in milliseconds.

A label is a partial plan, stage by stage. Labels that cannot be completed, cannot become the best plan (bounds.py) or
are dominated by another label (pareto.py) are dropped. A sweep that is too wide keeps its most promising labels only:
then its plan is not proven, but it is the incumbent of the next, wider sweep. A sweep that dropped nothing for its
width is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ipa.errors import UsageError
from ipa.evaluation import evaluate
from ipa.options import TOLERANCE, Floats, Ints, Problem
from ipa.policy.bounds import Bounds
from ipa.policy.pareto import tie_key, undominated
from ipa.policy.resources import ROUNDING, Layer, Table, tabulate
from ipa.policy.solution import Solution
from ipa.policy.ties import pick

MOST_LABELS = 1_000  # a stage; beyond it giving up would itself take seconds
SMALL = 50_000  # up to this many combinations the bounds cost more than they save
BEAM = 10  # the first width with bounds
WIDER = 4
BEFORE_DOMINANCE = 4  # so many times the width are compared
LARGE_NAME = 2**40


def solve(problem: Problem) -> Solution:
    """The best plan with the promised tie-break, or none. Raises UsageError where labels are the wrong tool."""
    solution = attempt(problem)
    if solution is None:
        raise UsageError(f"policy label: more than {MOST_LABELS:,} labels or too many paths: use auto or milp")
    return solution


def attempt(problem: Problem, most_labels: int = MOST_LABELS) -> Solution | None:
    """As `solve`, but None where a stage would need more labels or the graph has too many paths."""
    table = tabulate(problem)
    choices = None if table is None else search(table, most_labels)
    if choices is None:
        return None
    if not choices.size:
        return Solution(None, "no feasible plan", "label", "infeasible", None)
    choice = pick(problem, choices)
    if choice is None:  # all of them are beyond a limit by less than ROUNDING: not ours to call
        return None
    return Solution(evaluate(problem, choice), "proven best by label setting", "label", "optimal", 0.0)


def search(table: Table, most_labels: int) -> Ints | None:
    """All plans that may be the promised one, as (stages, N) option indices; None beyond the width."""
    if not all(len(layer.options) for layer in table.layers):
        return np.zeros((len(table.layers), 0), dtype=np.int64)
    small = prod(len(layer.options) for layer in table.layers) <= SMALL
    bounds, width = (None, most_labels) if small else (Bounds(table), BEAM)
    choices, incumbent = None, -np.inf
    while choices is None and width < WIDER * most_labels:
        choices, incumbent = _sweep(table, bounds, incumbent, min(width, most_labels), most_labels)
        width *= WIDER
    return choices


@dataclass(frozen=True, slots=True)
class _Labels:
    """Partial plans as columns of length N; `choices` has the shape (stages so far, N), `use` (resources, N).

    `names` orders them as their servers' names do, `weight` by cores and then batch.
    """

    choices: Ints
    cost: Floats
    product: Floats
    use: Floats
    weight: Floats
    names: Ints

    def __len__(self) -> int:
        return len(self.cost)

    def only(self, rows: Ints) -> _Labels:
        return _Labels(
            self.choices[:, rows],
            self.cost[rows],
            self.product[rows],
            self.use[:, rows],
            self.weight[rows],
            self.names[rows],
        )


def _sweep(
    table: Table, bounds: Bounds | None, incumbent: float, width: int, most_labels: int
) -> tuple[Ints | None, float]:
    """The plans that may be the promised one, None if any was dropped for the width; and the best objective found."""
    labels, complete = _start(table), True
    least, spare = _rest(table)
    for s, layer in enumerate(table.layers[:-1], start=1):
        labels = _extended(labels, layer, table.ceilings - least[s])
        hope = np.zeros(len(labels))
        if bounds is not None:
            labels, hope = _promising(labels, bounds, s, incumbent)
        if len(labels) > BEFORE_DOMINANCE * width:
            complete = False
            labels, hope = _best(labels, hope, BEFORE_DOMINANCE * width)
        kept = _undominated(labels, spare[s])
        labels, hope = labels.only(kept), hope[kept]
        if len(labels) > width:
            complete = False
            labels, hope = _best(labels, hope, width)
        if not complete and width == most_labels:
            return None, incumbent  # no wider sweep follows that could use what this one finds
    labels = _extended(labels, table.layers[-1], table.ceilings)
    objective = table.weight * labels.product - labels.cost
    best_found = max(incumbent, float(objective.max(initial=-np.inf)))
    near = np.flatnonzero(objective >= best_found - 3 * TOLERANCE)
    return labels.choices[:, near] if complete else None, best_found


def _start(table: Table) -> _Labels:
    none = np.zeros(1)
    use = np.zeros((len(table.ceilings), 1))
    return _Labels(np.zeros((0, 1), dtype=np.int64), none, np.ones(1), use, none, np.zeros(1, dtype=np.int64))


def _rest(table: Table) -> tuple[Floats, Floats]:
    """Per number of stages chosen and resource: the least the others use, and how much is spare whatever they use."""
    uses = [(layer.use.min(axis=1), layer.use.max(axis=1)) for layer in reversed(table.layers)]
    none = np.zeros((1, len(table.ceilings)))
    least, most = (np.vstack((none, np.cumsum(columns, axis=0)))[::-1] for columns in zip(*uses, strict=True))
    return least - ROUNDING * np.maximum(1, np.abs(least)), table.ceilings - most


def _extended(labels: _Labels, layer: Layer, ceilings: Floats) -> _Labels:
    """Every label with every option of the next stage, as far as the ceilings allow."""
    count = len(layer.options)
    use = (labels.use[:, :, None] + layer.use[:, None, :]).reshape(len(ceilings), len(labels) * count)
    fits = np.flatnonzero((use <= ceilings[:, None]).all(axis=0))
    parent, option = np.divmod(fits, count)
    names = labels.names[parent] * (int(layer.server.max()) + 1) + layer.server[option]
    return _Labels(
        np.vstack((labels.choices[:, parent], layer.options[option])),
        labels.cost[parent] + layer.cost[option],
        labels.product[parent] * layer.factor[option],
        use[:, fits],
        labels.weight[parent] + layer.weight[option],
        names,
    )


def _promising(labels: _Labels, bounds: Bounds, s: int, incumbent: float) -> tuple[_Labels, Floats]:
    """The labels that may still be as good as the incumbent, and how good at most: one price first, then all."""
    hope = np.full(len(labels), np.inf)
    for prices in bounds.rounds if np.isfinite(incumbent) else bounds.rounds[:1]:
        hope = np.minimum(hope, bounds.completion(s, prices, labels.product, labels.use) - labels.cost)
        kept = np.flatnonzero(hope >= incumbent - bounds.margin)
        labels, hope = labels.only(kept), hope[kept]
    return labels, hope


def _best(labels: _Labels, hope: Floats, count: int) -> tuple[_Labels, Floats]:
    best = np.argpartition(-hope, count)[:count]
    return labels.only(best), hope[best]


def _undominated(labels: _Labels, spare: Floats) -> Ints:
    """The labels that may be completed to the promised plan; use below what is spare is as good as none."""
    if labels.names.max(initial=0) > LARGE_NAME:  # rank them anew, before the next stage overflows them
        labels.names[:] = np.unique(labels.names, return_inverse=True)[1]
    key = tie_key(labels.weight, labels.names)
    return undominated(np.vstack((labels.cost, -labels.product, np.maximum(labels.use, spare[:, None]))), key)
