"""Problems that strain an optimiser: correlated prices under a tight budget, and thousands of options a stage."""

from __future__ import annotations

from math import exp
from random import Random

from ipa.domain import Limits, Measurement, Objective, Pipeline, Slo, Stage, Variant
from tests.pipelines import measurement

BATCHES = (1, 2, 4, 8, 16, 32, 64)


def correlated_chain(seed: int, stages: int, variants: int = 8) -> Pipeline:
    """A strongly correlated knapsack (Pisinger 2005): each core buys the same share of accuracy, plus a constant.

    No option dominates another and every ratio is the same, so bounds tell plans apart only near the budget, which is
    half of what the dearest plan takes.
    """
    random = Random(seed)
    found: list[Stage] = []
    rows: list[Measurement] = []
    dearest = 0
    for i in range(stages):
        cores = sorted(random.sample(range(1, 200), variants))
        accuracies = [0.6 * exp((c + 10) / 210 * 0.5) for c in cores]
        after = (f"s{i - 1}",) if i else ()
        found.append(
            Stage(f"s{i}", tuple(Variant(f"m{v}", a) for v, a in enumerate(accuracies)), ("cpu",), after=after)
        )
        rows += [measurement(f"s{i}", f"m{v}", 1, 0.01, cores=c) for v, c in enumerate(cores)]
        dearest += cores[-1]
    limits = Limits(cores=dearest // 2)
    return Pipeline("correlated", tuple(found), Slo(10.0, 20.0), Objective(1e4, 1e-3), limits, measurements=tuple(rows))


def wide_chain(
    seed: int,
    stages: int,
    variants: int,
    kinds: tuple[str, ...] = ("cpu", "gpu"),
    limits: Limits = Limits(),  # noqa: B008
) -> Pipeline:
    """Every variant on every kind of hardware at 5 numbers of cores and 7 batches: 35 options a variant and kind."""
    random = Random(seed)
    found: list[Stage] = []
    rows: list[Measurement] = []
    for i in range(stages):
        accuracies = sorted(random.uniform(0.5, 0.99) for _ in range(variants))
        after = (f"s{i - 1}",) if i else ()
        found.append(Stage(f"s{i}", tuple(Variant(f"m{v}", a) for v, a in enumerate(accuracies)), kinds, after=after))
        for v in range(variants):
            base_s = 0.02 * 1.3**v * random.uniform(0.8, 1.25)
            for kind in kinds:
                speed, fixed = random.uniform(1, 4) if kind != "cpu" else 1.0, random.uniform(0.1, 0.9)
                rows += [
                    measurement(
                        f"s{i}",
                        f"m{v}",
                        b,
                        base_s / speed / c ** random.uniform(0.6, 0.95) * (fixed + (1 - fixed) * b),
                        cores=c,
                        hardware=kind,
                    )
                    for c in (1, 2, 4, 8, 16)
                    for b in BATCHES
                ]
    slo_s = 0.1 * stages
    return Pipeline(
        "wide", tuple(found), Slo(slo_s, 2 * slo_s), Objective(100.0, 0.5), limits, measurements=tuple(rows)
    )
