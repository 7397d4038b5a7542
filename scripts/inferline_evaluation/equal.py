"""What auto, inferline, auto with the tuner and exact miss at equal cost: each with more and more load planned for.

Every system gives a curve of (cost, missed). They are compared at the smallest cost that all of them can reach; between
two of its points a system's misses are linear in its cost, and a dearer point that misses more does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from paper_evaluation.tables import Cell, Column, Table

from inferline_evaluation.shapes import RATES_RPS, Load, config_of, drawn, load_of, undamped
from inferline_evaluation.systems import outcome
from ipa.workload.trace import Trace

SHAPES = ("image", "cascade")
SYSTEMS = ("auto", "inferline", "auto-tuned", "exact")
MARGINS = (0.0, 0.3, 0.8)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    shape: str
    workload: str
    trace: Trace
    seed: int
    longest_s: float

    @property
    def load(self) -> Load:
        return load_of(self.workload, self.trace, self.seed, self.longest_s)


@dataclass(frozen=True, slots=True)
class Point:
    cost_per_hour: float
    missed: float


Found = dict[str, list[Point]]


def tasks(twitter: Mapping[str, Trace], seed: int, longest_s: float) -> list[Task]:
    """`twitter`: the slices of the IPA evaluation; and the drawn loads."""
    traces = {name: undamped(trace) for name, trace in twitter.items()} | {name: drawn(name) for name in RATES_RPS}
    return [Task(shape, name, trace, seed, longest_s) for shape in SHAPES for name, trace in traces.items()]


def run(task: Task) -> Found:
    config, load = config_of(task.shape), task.load
    found: Found = {}
    for system in SYSTEMS:
        done = [outcome(system, config, load, margin) for margin in MARGINS]
        found[system] = [Point(each.cost_per_hour, each.missed) for each in done if each is not None]
    return found


def missed_at(points: Sequence[Point], cost_per_hour: float) -> float:
    """On the curve of what a system reaches at most for a cost; beyond its dearest point it stays there."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost_per_hour, p.missed)):
        if not best or point.missed < best[-1].missed:
            best.append(point)
    return float(np.interp(cost_per_hour, [p.cost_per_hour for p in best], [p.missed for p in best]))


def table(chosen: Sequence[Task], found: Sequence[Found]) -> Table:
    columns = (
        *map(Column, ("pipeline", "workload")),
        Column("at $/h", ".2f"),
        *(Column(f"{system} missed", ".2%") for system in SYSTEMS),
    )
    rows: list[tuple[Cell, ...]] = []
    for task, by_system in zip(chosen, found, strict=True):
        if not all(by_system.values()):
            continue
        at = max(min(point.cost_per_hour for point in points) for points in by_system.values())
        rows.append((task.shape, task.workload, at, *(missed_at(by_system[system], at) for system in SYSTEMS)))
    means = [float(np.mean([float(row[3 + i]) for row in rows])) for i in range(len(SYSTEMS))] if rows else []
    note = f"{(__doc__ or '').strip()} Load planned for on top: {', '.join(f'{m:.0%}' for m in MARGINS)}."
    return Table("equal", "Misses at equal cost", columns, [*rows, ("mean", "", float("nan"), *means)], note)
