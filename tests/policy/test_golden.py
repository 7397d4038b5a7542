"""The program that Pyomo writes for small problems, compared with committed LP files by Pyomo's own lp_diff.

After a change that is meant, look at `git diff` when you have renewed them: python -m tests.policy.test_golden
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyomo.repn.tests.lp_diff import load_and_compare_lp_baseline, lp_diff

from ipa.domain import Hardware, Limits, Objective, Pipeline, Slo, Stage, Variant
from ipa.options import Ints, Problem, price
from ipa.policy.program import Program, build
from ipa.policy.segments import range_of, tighten
from tests.pipelines import measurement, two_stages

GOLDEN = Path(__file__).parent / "golden"
RATE_RPS = 20.0


def small(after: dict[str, tuple[str, ...]], objective: Objective, limits: Limits = Limits()) -> Pipeline:  # noqa: B008
    """Two variants a stage, `low` on one core of a cpu and `high` on a gpu, both at batch 1."""
    stages = tuple(
        Stage(name, (Variant("low", 0.5), Variant("high", 0.75)), ("cpu", "gpu"), waits)
        for name, waits in after.items()
    )
    rows = [
        row
        for name in after
        for row in (measurement(name, "low", 1, 0.125), measurement(name, "high", 1, 0.25, cores=2, hardware="gpu"))
    ]
    hardware = {
        "cpu": Hardware("cpu", price_per_core_hour=0.25),
        "gpu": Hardware("gpu", price_per_hour=2.5, capacity=8),
    }
    return Pipeline("small", stages, Slo(1.0, 2.0), objective, limits, hardware=hardware, measurements=tuple(rows))


CHAIN: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("b",)}
DIAMOND: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
EVERY_LIMIT = Limits(cores=20, cost_per_hour=30.0, accuracy=0.25, score=0.5, replicas=6)
PROBLEMS = {
    "chain_product": two_stages(),
    "diamond_sum": small(DIAMOND, Objective(2.0, 1.0, score="sum")),
    "sinks_mean": small({"a": (), "b": ("a",), "c": ("a",)}, Objective(2.0, 1.0, score="mean"), Limits(cores=9)),
    "chain_rank_sum_money_all_limits": small(CHAIN, Objective(2.0, 1.0, 1e-6, "rank-sum", "money"), EVERY_LIMIT),
    "chain_rank_product_floors": small(
        CHAIN, Objective(2.0, 1.0, score="rank-product"), Limits(accuracy=0.2, score=0.1)
    ),
}


def program_of(problem: Problem) -> tuple[Program, Sequence[Ints]]:
    options = [np.arange(len(stage)) for stage in problem.stages]
    return build(problem, options, "objective", maximise=True), options


def write(name: str, folder: Path) -> Path:
    problem = price(PROBLEMS[name], RATE_RPS)
    program, _ = program_of(problem)
    return written(program, folder / f"{name}.lp")


def write_segments(folder: Path) -> Path:
    problem = price(small({"a": (), "b": ("a",), "c": ("b",)}, Objective(2.0, 1.0)), RATE_RPS)
    program, options = program_of(problem)
    widest = range_of(problem, options)
    assert widest is not None
    tighten(program, problem, options, widest)
    return written(program, folder / "chain_product_segments.lp")


def written(program: Program, path: Path) -> Path:
    program.pyomo.write(str(path), io_options={"symbolic_solver_labels": True})
    return path


@pytest.mark.parametrize("name", PROBLEMS)
def test_writes_the_golden_program(name: str, tmp_path: Path) -> None:
    base, test = load_and_compare_lp_baseline(str(GOLDEN / f"{name}.lp"), str(write(name, tmp_path)))
    assert base == test


def test_writes_the_golden_program_with_segments(tmp_path: Path) -> None:
    path = write_segments(tmp_path)
    base, test = load_and_compare_lp_baseline(str(GOLDEN / path.name), str(path))
    assert base == test


def test_the_same_problem_is_written_the_same_twice(tmp_path: Path) -> None:
    name = "chain_rank_sum_money_all_limits"
    (tmp_path / "again").mkdir()
    assert write(name, tmp_path).read_text() == write(name, tmp_path / "again").read_text()


def test_a_changed_price_is_seen(tmp_path: Path) -> None:
    """The comparison itself is no yes-man."""
    problem = price(PROBLEMS["chain_product"], RATE_RPS)
    dearer = replace(problem, objective=replace(problem.objective, cost_weight=1.001))
    path = written(program_of(dearer)[0], tmp_path / "dearer.lp")
    base, test = lp_diff((GOLDEN / "chain_product.lp").read_text(), path.read_text())
    assert base != test


if __name__ == "__main__":
    for each in PROBLEMS:
        write(each, GOLDEN)
    write_segments(GOLDEN)
