"""A spike and a load of two phases, drawn in segments of 30 s: who follows, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from paper_evaluation.tables import Cell, Column, Table

from inferline_evaluation.shapes import RATES_RPS, SHAPES, Load, config_of, drawn, load_of
from inferline_evaluation.systems import MOVING, Outcome, outcome


@dataclass(frozen=True, slots=True)
class Task:
    shape: str
    workload: str
    seed: int
    longest_s: float

    @property
    def load(self) -> Load:
        return load_of(self.workload, drawn(self.workload), self.seed, self.longest_s)


Found = dict[str, Outcome | None]


def tasks(seed: int, longest_s: float) -> list[Task]:
    return [Task(shape, workload, seed, longest_s) for shape in SHAPES for workload in RATES_RPS]


def run(task: Task) -> Found:
    config, load = config_of(task.shape), task.load
    return {system: outcome(system, config, load) for system in MOVING}


COLUMNS = (Column("$/h", ".2f"), Column("missed", ".2%"), Column("changes", "d"))


def table(chosen: Sequence[Task], found: Sequence[Found]) -> Table:
    columns = (*map(Column, ("pipeline", "workload", "system")), *COLUMNS)
    rows: list[tuple[Cell, ...]] = [
        (task.shape, task.workload, system, done.cost_per_hour, done.missed, done.changes)
        for task, by_system in zip(chosen, found, strict=True)
        for system, done in by_system.items()
        if done is not None
    ]
    note = (
        "SLO 300 ms, up to 300 requests/s; a replica takes 5 s to start. Planned on the first quarter, the rest live. "
        "$/h: mean over time of what existed, starting replicas included."
    )
    return Table("moving", "Spike and two phases", columns, rows, note)


def summary(found: Sequence[Found]) -> Table:
    columns = (
        Column("system"),
        Column("cost / inferline", ".2f"),
        Column("missed, mean", ".2%"),
        Column("missed / inferline", ".1f"),
        Column("changes", ".0f"),
    )
    rows = []
    for system in MOVING:
        pairs = [(own, ours) for each in found if (own := each[system]) and (ours := each["inferline"])]
        missed, of_inferline = (fmean(done.missed for done in side) for side in zip(*pairs, strict=True))
        rows.append(
            (
                system,
                geometric_mean(own.cost_per_hour / ours.cost_per_hour for own, ours in pairs),
                missed,
                missed / max(1e-9, of_inferline),
                fmean(own.changes for own, _ in pairs),
            )
        )
    return Table("moving-summary", "Who follows a moving load", columns, rows, "Means over pipelines and workloads.")
