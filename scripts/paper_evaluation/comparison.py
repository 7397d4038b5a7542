"""Four systems, the same weights for all, on every pipeline and workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, geometric_mean

from .cases import SYSTEMS, Case
from .runs import Outcome, Outcomes
from .tables import Cell, Column, Table

CHEAPEST = "fa2-low"
RULES = "late or dropped: misses the SLO. dropped: all that the paper's code counts as a violation."


def cases(pipelines: Sequence[str], workloads: Sequence[str], start_s: float) -> list[Case]:
    return [Case(p, w, system, start_s=start_s) for p in pipelines for w in workloads for system in SYSTEMS]


def against(case: Case, system: str) -> Case:
    """The same with another system."""
    return replace(case, system=system)


def table(cases: Sequence[Case], outcomes: Outcomes) -> Table:
    columns = (
        *map(Column, ("pipeline", "workload", "system")),
        Column("requests", ","),
        Column("accuracy", ".4f"),
        Column("over time", ".4f"),
        Column("cores", ".2f"),
        Column("late or dropped", ".2%"),
        Column("dropped", ".2%"),
        Column("p99 s", ".2f"),
        Column("changes", "d"),
    )
    note = f"accuracy: mean over the answers; over time: as the paper plots it. cores: mean of what existed. {RULES}"
    rows = [_row(case, outcomes[case]) for case in cases]
    return Table("comparison", "Every system on every pipeline and workload", columns, rows, note)


def _row(case: Case, found: Outcome) -> tuple[Cell, ...]:
    shares = (found.missed, found.dropped)
    accuracies = (found.accuracy, found.accuracy_over_time)
    p99_s = found.row.p99_s if found.row.p99_s is not None else float("nan")
    words = (case.pipeline, case.workload, case.system)
    return (*words, found.row.requests, *accuracies, found.cores, *shares, p99_s, found.row.changes)


def summary(cases: Sequence[Case], outcomes: Outcomes) -> Table:
    """A line a system: its cores and accuracies as multiples of FA2-low's in the same place, geometric means."""
    columns = (
        Column("system"),
        Column("cores / FA2-low", ".2f"),
        Column("accuracy / FA2-low", ".3f"),
        Column("late or dropped", ".2%"),
        Column("dropped", ".2%"),
        Column("changes", ".0f"),
    )
    rows = [_mean(system, cases, outcomes) for system in SYSTEMS]
    places = len(cases) // len(SYSTEMS)
    note = f"Means over {places} pipelines × workloads. {RULES}"
    return Table("summary", "Four systems", columns, rows, note)


def _mean(system: str, cases: Sequence[Case], outcomes: Outcomes) -> tuple[Cell, ...]:
    own = [case for case in cases if case.system == system]
    found = [outcomes[case] for case in own]
    low = [outcomes[against(case, CHEAPEST)] for case in own]
    return (
        system,
        geometric_mean(a.cores / b.cores for a, b in zip(found, low, strict=True)),
        geometric_mean(a.accuracy / b.accuracy for a, b in zip(found, low, strict=True)),
        fmean(each.missed for each in found),
        fmean(each.dropped for each in found),
        fmean(each.row.changes for each in found),
    )
