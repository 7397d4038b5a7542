"""The multiple-choice knapsack: one step of every staircase, the best total value within a whole budget.

The dynamic programme over the budget (Dudziński and Walukiewicz 1987, §5; Kellerer, Pferschy and Pisinger 2004, §11.5):
    best[i, b] = max over the steps k of group i with cost[k] ≤ b of  best[i−1, b − cost[k]] + value[k]
is the largest value of the first i groups at a total cost of at most b. One step costs one pass over the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ipa.errors import UsageError
from ipa.options import Floats, Ints

LARGEST_TABLE = 50_000_000  # 400 MB


@dataclass(frozen=True, slots=True)
class Group:
    """A staircase as columns of length K ≥ 1: whole costs ≥ 0 and values, both rising."""

    costs: Ints
    values: Floats


@dataclass(frozen=True, slots=True)
class Knapsack:
    """`best` has the shape (groups + 1, budgets): column j is the budget `least` + j, `least` the cheapest choice."""

    groups: tuple[Group, ...]
    least: int
    best: Floats


def tabulate(groups: Sequence[Group], most: int) -> Knapsack:
    """The best values for every budget up to `most`, as far as a larger budget buys anything.

    Raises UsageError where the table would not fit into memory.
    """
    least = sum(int(group.costs[0]) for group in groups)
    reaches = np.cumsum([int(np.ptp(group.costs)) for group in groups])  # beyond its reach a row stays as it is
    last = max(0, min(most - least, int(reaches[-1])))
    if (last + 1) * (len(groups) + 1) > LARGEST_TABLE:
        raise UsageError(f"a budget of {most:,} cores for {len(groups)} pipelines is too large to split")
    best = np.zeros((len(groups) + 1, last + 1))
    room = np.empty(last + 1)
    for i, group in enumerate(groups):
        before, after = best[i], best[i + 1]
        reach = min(int(reaches[i]), last) + 1
        after[:] = -np.inf
        for extra, value in zip((group.costs - group.costs[0]).tolist(), group.values.tolist(), strict=True):
            if extra >= reach:
                break
            np.add(before[: reach - extra], value, out=room[: reach - extra])
            np.maximum(after[extra:reach], room[: reach - extra], out=after[extra:reach])
        after[reach:] = after[reach - 1]
    return Knapsack(tuple(groups), least, best)


def cheapest(knapsack: Knapsack, budget: int, tolerance: float) -> int:
    """The least total cost whose best value is within `tolerance` of the best within `budget` ≥ least."""
    row = knapsack.best[-1]
    at = min(budget - knapsack.least, len(row) - 1)
    return knapsack.least + int(np.argmax(row >= row[at] - tolerance))


def picks(knapsack: Knapsack, budget: int) -> tuple[int, ...]:
    """A step a group with the best total value within `budget` ≥ least; of equal ones the later group's is cheaper."""
    at = min(budget - knapsack.least, knapsack.best.shape[1] - 1)
    chosen: list[int] = []
    for group, before in zip(reversed(knapsack.groups), knapsack.best[-2::-1], strict=True):
        extra = group.costs - group.costs[0]
        within = extra[extra <= at]
        step = int(np.argmax(before[at - within] + group.values[: len(within)]))  # the sums of tabulate, so its maximum
        chosen.append(step)
        at -= int(extra[step])
    return tuple(reversed(chosen))
