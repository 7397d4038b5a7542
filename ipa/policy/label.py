"""Label setting in NumPy: exact on chains and on graphs with few paths, in milliseconds.

A label is a partial plan, stage by stage. Labels that cannot be completed, cannot become the best plan (bounds.py) or
are dominated by another label (pareto.py) are dropped. A sweep that is too wide keeps its most promising labels only:
its best plan is then the incumbent of the next, wider sweep, and what the labels it dropped could still have reached
bounds how much better any plan can be. A sweep that dropped none for its width is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, prod

import numpy as np

from ipa.errors import UsageError
from ipa.options import TOLERANCE, Floats, Ints, Problem
from ipa.policy.bounds import Bounds
from ipa.policy.labels import Labels, extended, rest, start, survivors
from ipa.policy.resources import Table, tabulate
from ipa.policy.solution import Solution, relative_gap
from ipa.policy.ties import pick

MOST_LABELS = 1_000  # a stage; beyond it giving up would itself take seconds
SMALL = 50_000  # up to this many combinations the bounds cost more than they save
BEAM = 10  # the first width with bounds
WIDER = 4
BEFORE_DOMINANCE = 4  # so many times the width are compared
FEW = 50  # fewer labels than this are sooner extended than compared


def solve(problem: Problem) -> Solution:
    """The best plan with the promised tie-break, or none. Raises UsageError where labels are the wrong tool."""
    solution = attempt(problem)
    if solution is None or solution.gap:
        raise UsageError(f"policy label: more than {MOST_LABELS:,} labels or too many paths: use auto or milp")
    return solution


def attempt(problem: Problem, most_labels: int = MOST_LABELS) -> Solution | None:
    """As `solve`; with a gap where `most_labels` a stage did not suffice, None where labels found nothing to say."""
    table = tabulate(problem)
    if table is None:
        return None
    found = search(table, most_labels)
    if not found.choices.size:
        return None if found.unseen > -inf else Solution(None, "no feasible plan", "label", "infeasible", None)
    best = pick(problem, found.choices)
    if best is None:  # all of them are beyond a limit by less than ROUNDING: not ours to call
        return None
    if best.objective >= found.unseen:
        return Solution(best, "proven best by label setting", "label", "optimal", 0.0, bound=best.objective)
    gap = relative_gap(best.objective, found.unseen)
    return Solution(best, f"the best of {most_labels:,} labels a stage", "label", "feasible", gap, bound=found.unseen)


@dataclass(frozen=True, slots=True)
class Found:
    """Plans as (stages, N) option indices: all that may be the promised one if the search is exact, else the best.

    `best` is the largest objective among them, `unseen` what the plans that were not looked at reach at most.
    """

    choices: Ints
    best: float = -inf
    unseen: float = -inf

    @property
    def exact(self) -> bool:
        return self.unseen <= self.best


def search(table: Table, most_labels: int) -> Found:
    """Sweeps of growing width, until one is exact or as wide as allowed."""
    if table.hopeless:
        return Found(np.zeros((len(table.layers), 0), dtype=np.int64))
    if prod(len(layer.options) for layer in table.layers) <= SMALL:
        found = _sweep(table, None, -inf, most_labels)
        if found.exact:
            return found
    bounds, width = Bounds(table), min(BEAM, most_labels)
    found = _sweep(table, bounds, -inf, width)
    while not found.exact and width < most_labels:
        width = min(width * WIDER, most_labels)
        wider = _sweep(table, bounds, found.best, width)
        # A wider sweep may lose the incumbent among others of equal hope.
        better = wider if wider.exact or wider.best >= found.best else found
        found = replace(better, unseen=min(wider.unseen, found.unseen))
    return found


def _sweep(table: Table, bounds: Bounds | None, incumbent: float, width: int) -> Found:
    """The plans that may be the promised one, less those that the width had no room for."""
    labels = start(table)
    unseen = -inf
    least, spare = rest(table)
    for s, layer in enumerate(table.layers[:-1], start=1):
        labels = extended(labels, layer, table.ceilings - least[s])
        hope = np.full(len(labels), inf)
        if bounds is not None:
            labels, hope = _promising(labels, hope, bounds, s, incumbent)
        labels, hope, dropped = _best(labels, hope, BEFORE_DOMINANCE * width)
        if len(labels) > min(FEW, width):
            kept = survivors(labels, spare[s])
            labels, hope = labels.only(kept), hope[kept]
            labels, hope, lost = _best(labels, hope, width)
            dropped = max(dropped, lost)
        unseen = max(unseen, dropped)
    labels = extended(labels, table.layers[-1], table.ceilings)
    objective = table.weight * labels.product - labels.sums[0]
    best = float(np.maximum.reduce(objective, initial=incumbent))
    near = np.flatnonzero(objective >= best - 3 * TOLERANCE)
    margin = bounds.margin if bounds else 0.0
    return Found(labels.choices(near), best if len(near) else -inf, unseen + margin)


def _promising(labels: Labels, hope: Floats, bounds: Bounds, s: int, incumbent: float) -> tuple[Labels, Floats]:
    """The labels that may still be as good as the incumbent, and how good at most: the cheapest bound first."""
    for bound in bounds.in_turn if incumbent > -inf else [bounds.first]:
        hope = np.minimum(hope, bound(s, labels.product, labels.sums[2:]) - labels.sums[0])
        kept = np.flatnonzero(hope >= incumbent - bounds.margin)
        if len(kept) < len(hope):
            labels, hope = labels.only(kept), hope[kept]
    return labels, hope


def _best(labels: Labels, hope: Floats, count: int) -> tuple[Labels, Floats, float]:
    """At most `count` labels, and the largest hope among the others."""
    if len(labels) <= count:
        return labels, hope, -inf
    order = np.argpartition(-hope, count)
    return labels.only(order[:count]), hope[order[:count]], float(hope[order[count:]].max())
