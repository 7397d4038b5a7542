"""Sets of plans with replicas to choose, and how what is left of one without its best plan is parted.

The parts do not overlap: in part i the stages before i are as in the plan, stage i is not, later stages are free
(Lawler, Management Science 18 (1972), 401; Murty, Operations Research 16 (1968), 682).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from ipa.evaluation import Evaluation
from ipa.options import Ints
from ipa.policy.solution import Solution

Key = tuple[float, float, int, list[tuple[str, str, int]]]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Of one stage: `options` (K,) with at least `replicas` (K,) each; the only one of a `fixed` stage has exactly so
    many."""

    options: Ints
    replicas: Ints
    fixed: bool = False


Region = tuple[Rows, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A region and its best plan; the options of `best.choice` are counted as in the whole problem."""

    region: Region
    solution: Solution
    best: Evaluation

    @property
    def reach(self) -> float:
        """The most that a plan of the region can be worth."""
        if not self.solution.gap:
            return self.best.objective
        return inf if self.solution.bound is None else self.solution.bound

    @property
    def key(self) -> Key:
        """Smaller is tried first."""
        return (-round(self.reach, 9), *_ties(self.best))


def _ties(plan: Evaluation) -> tuple[float, int, list[tuple[str, str, int]]]:
    allocations = plan.plan.allocations
    return plan.cost_cores, sum(a.batch for a in allocations), [a.server for a in allocations]


def other_options(node: Node) -> Iterator[Region]:
    """The parts of its region without the options of its plan."""
    for s, rows in enumerate(node.region):
        own = [r.options == k for r, k in zip(node.region, node.best.choice, strict=True)]
        before = tuple(_only(node.region[i], own[i]) for i in range(s))
        yield (*before, _only(rows, ~own[s]), *node.region[s + 1 :])


def _only(rows: Rows, kept: NDArray[np.bool_]) -> Rows:
    return Rows(rows.options[kept], rows.replicas[kept], rows.fixed)


def other_replicas(node: Node) -> Iterator[Region]:
    """The parts of its region, of one combination of options, with more replicas than its plan."""
    replicas = [np.array([a.replicas]) for a in node.best.plan.allocations]
    for s, rows in enumerate(node.region):
        if not rows.fixed:
            before = tuple(Rows(node.region[i].options, replicas[i], fixed=True) for i in range(s))
            yield (*before, Rows(rows.options, replicas[s] + 1), *node.region[s + 1 :])
