"""How far the default policy carries: many problems, many options, the grid of sizes, the worst cases, memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.policies import RATE_RPS, within_budget
from benchmarks.rows import ROOT, Row, seconds
from ipa.domain import Pipeline
from ipa.options import Problem, price
from ipa.policy import auto
from tests.hard_pipelines import correlated_chain, wide_chain
from tests.pipelines import random_chain

SIDE = 9
MANY = 100


def run() -> Iterator[Row]:
    chains = [random_chain(seed, 10, 10, tightness=(0.5, 1, 2)[seed % 3]) for seed in range(MANY)]
    yield _many("auto on 100 random chains of 10 × 10", chains)
    yield _many("auto on the same with 90 % of the cores they would take", [within_budget(chain) for chain in chains])
    yield _many("auto on 10 stages of 1,050 options", [wide_chain(seed, 10, 15) for seed in range(5)])
    yield from (_grid_row(stages) for stages in range(1, SIDE + 1))
    yield from (_worst_case(stages) for stages in (12, 20))
    yield _memory()


def _many(name: str, pipelines: Sequence[Pipeline]) -> Row:
    problems = [price(pipeline, RATE_RPS) for pipeline in pipelines]
    times = _times(problems)
    solved = [auto.solve(problem) for problem in problems]
    return {
        "name": name,
        "kind": "decision",
        "median_seconds": round(statistics.median(times), 5),
        "worst_seconds": round(max(times), 5),
        "problems": len(problems),
        "feasible": sum(solution.evaluation is not None for solution in solved),
        "solvers": sorted({solution.solver for solution in solved}),
    }


def _grid_row(stages: int) -> Row:
    """Milliseconds for 1 … 9 variants, the grid of the paper's reference code."""
    cells = []
    for variants in range(1, SIDE + 1):
        problems = [price(random_chain(seed, stages, variants), RATE_RPS) for seed in range(5)]
        cells.append(round(1e3 * statistics.median(_times(problems)), 2))
    return {"name": f"auto on {stages} stage(s) × 1 … {SIDE} variants × 7 batches", "kind": "grid", "median_ms": cells}


def _times(problems: Sequence[Problem]) -> list[float]:
    return [seconds(partial(auto.solve, problem)) for problem in problems]


def _worst_case(stages: int) -> Row:
    """Labels explode where each core buys the same share of accuracy: the gap says what is left to prove."""
    problem = price(correlated_chain(0, stages), 5.0)
    start_s = time.perf_counter()
    solution = auto.solve(problem)
    return {
        "name": f"auto on a strongly correlated chain of {stages} stages",
        "kind": "decision",
        "seconds": round(time.perf_counter() - start_s, 3),
        "solver": solution.solver,
        "status": solution.status,
        "gap": solution.gap,
    }


def _memory() -> Row:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("memory.py"))],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    row: Row = json.loads(done.stdout)
    return row
