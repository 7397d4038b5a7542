"""A tighter program for products of many stages, whose flow form alone proves little: P = exp(L) in segments.

L = Σ −log(factor as a share of the stage's largest) is linear in the options. Over a segment of L the chord of exp(−L)
lies above it, so with a binary z[j] per segment
    Σ_j z[j] = 1,   Σ_j l[j] = L,   from[j] · z[j] ≤ l[j] ≤ to[j] · z[j],   P ≤ Σ_j (chord_j at l[j])
holds for every plan and leaves the flow form exact. A chord over a width d is at most d²/8 above, relative to P: 0.5 %
at 0.2. On strongly correlated chains of 20 stages the gap after seconds falls from 1,600 % to below 1 %; on problems
that HiGHS solves in a second the binaries only cost time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ipa.evaluation import is_product, score_factors
from ipa.options import Floats, Ints, Problem
from ipa.policy.program import Program, row

WIDTH = 0.2
NARROWEST, WIDEST = 1.0, 18.0  # of L: below it chords prove nothing new, above it P drowns in the solver's tolerance
SLACK = 1e-9


def range_of(problem: Problem, options: Sequence[Ints]) -> float | None:
    """The largest L; None where segments do not apply or would not help."""
    if not is_product(problem.objective.score) or problem.objective.accuracy_weight <= 0:
        return None
    widest = float(sum(own.max() for own in _losses(problem, options)))
    return widest if NARROWEST < widest < WIDEST else None


def tighten(program: Program, problem: Problem, options: Sequence[Ints], widest: float) -> None:
    """Adds the segments up to L = `widest` to a program whose goal is the objective."""
    import pyomo.environ as pyo

    m, count = program.pyomo, int(np.ceil(widest / WIDTH))
    edges = np.linspace(0.0, widest, count + 1)
    m.segment = pyo.Var(range(count), domain=pyo.Binary)
    m.loss = pyo.Var(range(count), domain=pyo.NonNegativeReals)
    row(m, ("segment", "one"), 1.0, [(1.0, m.segment[j]) for j in range(count)], 1.0)
    losses = [
        (float(loss), xs[int(k)])
        for own, xs, column in zip(options, program.choose, _losses(problem, options), strict=True)
        for k, loss in zip(own, column, strict=True)
    ]
    row(m, ("segment", "loss"), 0.0, losses + [(-1.0, m.loss[j]) for j in range(count)], 0.0)
    above: list[tuple[float, Any]] = []
    for j in range(count):
        row(m, ("segment", "from", j), 0.0, [(1.0, m.loss[j]), (-float(edges[j]), m.segment[j])], None)
        row(m, ("segment", "to", j), None, [(1.0, m.loss[j]), (-float(edges[j + 1]), m.segment[j])], 0.0)
        left, right = np.exp(-edges[j]), np.exp(-edges[j + 1])
        slope = (right - left) / (edges[j + 1] - edges[j])
        above += [(-float(slope), m.loss[j]), (-float(left - slope * edges[j]), m.segment[j])]
    largest = np.prod([own.max() for own in _factors(problem, options)])
    row(m, ("segment", "chords"), None, [(float(c / largest), v) for c, v in program.product] + above, SLACK)


def _factors(problem: Problem, options: Sequence[Ints]) -> list[Floats]:
    """One factor an option, stage by stage."""
    kind = problem.objective.score
    return [
        score_factors(stage, kind)[stage.variant_index[own]] for stage, own in zip(problem.stages, options, strict=True)
    ]


def _losses(problem: Problem, options: Sequence[Ints]) -> list[Floats]:
    """−log of each option's factor as a share of its stage's largest; infinite for a factor of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return [
            np.nan_to_num(-np.log(own / own.max()), nan=np.inf, posinf=np.inf) for own in _factors(problem, options)
        ]
