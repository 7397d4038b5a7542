"""The knapsack against every combination of steps."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.errors import UsageError
from ipa.policy.knapsack import Group, cheapest, picks, tabulate

TOLERANCE = 1e-9


@st.composite
def groups(draw: st.DrawFn) -> list[Group]:
    """Up to 4 staircases of up to 5 steps; whole values make ties."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        costs = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=5)))
        number = st.integers(-5, 5) if draw(st.booleans()) else st.floats(-10, 10)
        values = sorted(draw(st.lists(number, min_size=len(costs), max_size=len(costs))))
        found.append(Group(np.array(costs, dtype=np.int64), np.array(values, dtype=np.float64)))
    return found


@settings(max_examples=300, deadline=None)
@given(groups=groups(), most=st.integers(0, 60), spare=st.integers(0, 60))
def test_every_budget_gets_the_best_value_at_the_least_cost(groups: list[Group], most: int, spare: int) -> None:
    knapsack = tabulate(groups, most)
    budget = max(knapsack.least, most - spare)
    reachable = [
        (
            sum(float(g.values[k]) for g, k in zip(groups, ks, strict=True)),
            int(sum(g.costs[k] for g, k in zip(groups, ks, strict=True))),
        )
        for ks in product(*(range(len(g.costs)) for g in groups))
    ]
    within = [(value, cost) for value, cost in reachable if cost <= max(budget, knapsack.least)]
    best = max(value for value, _ in within)
    least = cheapest(knapsack, budget, TOLERANCE)
    assert least == min(cost for value, cost in within if value >= best - TOLERANCE)
    taken = picks(knapsack, least)
    assert sum(float(g.values[k]) for g, k in zip(groups, taken, strict=True)) == pytest.approx(best, abs=2e-9)
    assert sum(int(g.costs[k]) for g, k in zip(groups, taken, strict=True)) == least


def test_of_equal_splits_the_same_one_is_taken_always() -> None:
    equal = Group(np.array([1, 2]), np.array([0.0, 1.0]))
    knapsack = tabulate([equal, equal], 3)
    assert picks(knapsack, 3) == (1, 0)


def test_what_does_not_fit_into_memory_is_refused_with_the_budget() -> None:
    wide = Group(np.array([1, 10**9]), np.array([0.0, 1.0]))
    with pytest.raises(UsageError, match="1,000,000,000 cores for 2 pipelines"):
        tabulate([wide, wide], 10**9)
