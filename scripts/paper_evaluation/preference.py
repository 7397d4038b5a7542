"""Accuracy first or cost first: the weights are swept on one workload.

α·score − β·cost is maximised (δ is negligible), so what is chosen depends on α/β alone: α times f is β divided by f.
"""

from __future__ import annotations

from collections.abc import Sequence

from .cases import Case
from .comparison import RULES
from .runs import Outcomes
from .tables import Column, Table

FACTORS = (0.25, 1.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0)
NAMES = {0.25: "cost first", 1.0: "as configured", 16.0: "balanced", 256.0: "accuracy first"}
BASELINES = ("fa2-low", "fa2-high", "rim")


def cases(pipelines: Sequence[str], workload: str, start_s: float) -> list[Case]:
    return [Case(p, workload, start_s=start_s, accuracy_factor=f) for p in pipelines for f in FACTORS]


def baselines(pipelines: Sequence[str], workload: str, start_s: float) -> list[Case]:
    """What the sweep is drawn against, at the config's weights."""
    return [Case(p, workload, system, start_s=start_s) for p in pipelines for system in BASELINES]


def table(cases: Sequence[Case], outcomes: Outcomes) -> Table:
    columns = (
        Column("pipeline"),
        Column("α × (or β ÷)", "g"),
        Column("preference"),
        Column("accuracy", ".4f"),
        Column("cores", ".2f"),
        Column("late or dropped", ".2%"),
        Column("dropped", ".2%"),
    )
    rows = [
        (c.pipeline, c.accuracy_factor, NAMES.get(c.accuracy_factor, ""), o.accuracy, o.cores, o.missed, o.dropped)
        for c in cases
        for o in (outcomes[c],)
    ]
    workload = cases[0].workload
    return Table("preference", f"Accuracy first or cost first, on {workload}", columns, rows, RULES)
