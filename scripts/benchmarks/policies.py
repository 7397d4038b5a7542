"""The policies, against each other and the plain program (Pyomo, integer replicas) on the same random chains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.rows import ROOT, Row, ratio, repeated, seconds
from ipa.adapters.files import load_config
from ipa.domain import Pipeline
from ipa.options import price
from ipa.policy import exhaustive, label, milp
from tests.pipelines import random_chain
from tests.plain_program import Task, best_objective, task

RATE_RPS = 20.0
SIZES = {(2, 5): 9, (3, 5): 9, (4, 8): 9, (5, 10): 9, (10, 10): 5}
"""Stages × variants, with 7 batches each, and the number of problems."""


def run() -> Iterator[Row]:
    digits = load_config(ROOT / "configs" / "digits.yaml").pipeline
    yield repeated(
        "milp ÷ exhaustive on the digits pipeline",
        "decision",
        lambda: milp.solve(price(digits, RATE_RPS)),
        lambda: exhaustive.solve(price(digits, RATE_RPS)),
    )
    _timed([task(random_chain(0, 2, 5), RATE_RPS)])  # the libraries' first use is no part of any row
    for (stages, variants), count in SIZES.items():
        chains = [random_chain(seed, stages, variants, tightness=(0.5, 1, 2)[seed % 3]) for seed in range(count)]
        yield from _ratios(f"random chains of {stages} stages × {variants} variants × 7 batches", chains)
    yield from _ratios(
        "the 10 × 10 chains with 90 % of the cores they would take", [within_budget(c) for c in chains[:3]]
    )


def _ratios(on: str, chains: Sequence[Pipeline]) -> Iterator[Row]:
    times = _timed([task(chain, RATE_RPS) for chain in chains])
    yield ratio(f"label ÷ plain program on {on}", "decision", [(mine, plain) for mine, _, plain in times])
    yield ratio(f"milp ÷ plain program on {on}", "decision", [(milp_s, plain) for _, milp_s, plain in times])
    yield ratio(f"label ÷ milp on {on}", "decision", [(mine, milp_s) for mine, milp_s, _ in times])


def _timed(tasks: Sequence[Task]) -> list[tuple[float, float, float]]:
    """Seconds of label, milp and the plain program, in turns on each problem."""
    return [
        (
            seconds(lambda: label.solve(work.problem)),  # noqa: B023 - called at once
            seconds(lambda: milp.solve(work.problem, time_limit_s=60.0)),  # noqa: B023
            seconds(lambda: best_objective(work)),  # noqa: B023
        )
        for work in tasks
    ]


def within_budget(chain: Pipeline, share: float = 0.9) -> Pipeline:
    """The chain with a cores limit that binds: a share of what its best plan takes."""
    best = label.solve(price(chain, RATE_RPS)).evaluation
    cores = share * best.cost_cores if best else 1.0
    return replace(chain, limits=replace(chain.limits, cores=cores))
