"""One system, several predictors: what knowing the load ahead is worth.

Replicas that start at once forgive every forecast, so the time they take is varied, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, geometric_mean

from .cases import ORACLE, PREDICTORS, Case
from .comparison import RULES
from .runs import Outcomes
from .tables import Column, Table

STARTS_S = (0.0, 10.0, 20.0)


def cases(pipelines: Sequence[str], workloads: Sequence[str]) -> list[Case]:
    places = [Case(p, w) for p in pipelines for w in workloads]
    return [replace(c, predictor=name, start_s=s) for s in STARTS_S for c in places for name in PREDICTORS]


def table(cases: Sequence[Case], outcomes: Outcomes) -> Table:
    """Every case."""
    columns = (
        Column("start s", "g"),
        *map(Column, ("pipeline", "workload", "predictor")),
        Column("late or dropped", ".2%"),
        Column("dropped", ".2%"),
        Column("cores", ".2f"),
        Column("accuracy", ".4f"),
    )
    rows = [
        (c.start_s, c.pipeline, c.workload, c.predictor, found.missed, found.dropped, found.cores, found.accuracy)
        for c in cases
        for found in (outcomes[c],)
    ]
    return Table("predictors", "Every predictor on every pipeline, where the load moves", columns, rows, RULES)


def summary(cases: Sequence[Case], outcomes: Outcomes) -> Table:
    """A line a start time and predictor; cores as a multiple of the oracle's in the same place."""
    columns = (
        Column("start s", "g"),
        Column("predictor"),
        Column("late or dropped", ".2%"),
        Column("dropped", ".2%"),
        Column("cores / oracle", ".3f"),
        Column("accuracy", ".4f"),
    )
    rows = []
    for start_s in STARTS_S:
        for name in PREDICTORS:
            own = [c for c in cases if (c.start_s, c.predictor) == (start_s, name)]
            found = [outcomes[c] for c in own]
            told = [outcomes[replace(c, predictor=ORACLE)] for c in own]
            rows.append(
                (
                    start_s,
                    name,
                    fmean(each.missed for each in found),
                    fmean(each.dropped for each in found),
                    geometric_mean(a.cores / b.cores for a, b in zip(found, told, strict=True)),
                    fmean(each.accuracy for each in found),
                )
            )
    note = (
        "Means over the pipelines, where the load moves. start: from a replica's start to its first request. The "
        f"oracle is told the busiest of the coming 20 s and adds no load margin. {RULES}"
    )
    return Table("predictors-summary", "What a forecast is worth", columns, rows, note)
