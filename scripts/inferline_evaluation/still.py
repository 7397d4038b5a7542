"""Plans that stay as they are: what they cost, what they miss, and how good the estimate was. Gamma arrivals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, geometric_mean, median

from paper_evaluation.tables import Cell, Column, Table

from inferline_evaluation.shapes import SHAPES, config_of, gamma, load_of
from inferline_evaluation.systems import STILL, Outcome, outcome

CVS = (1.0, 4.0)
SLOS_S = (0.15, 0.3, 0.6)
RATE_RPS = 100.0
SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Task:
    shape: str
    cv: float
    slo_s: float
    seed: int
    longest_s: float


Found = dict[str, Outcome | None]


def tasks(seed: int, longest_s: float) -> list[Task]:
    return [Task(shape, cv, slo_s, seed, longest_s) for shape in SHAPES for cv in CVS for slo_s in SLOS_S]


def run(task: Task) -> Found:
    config = config_of(task.shape, task.slo_s)
    load = load_of(f"cv {task.cv:g}", gamma(RATE_RPS, task.cv, SECONDS), task.seed, task.longest_s)
    return {system: outcome(system, config, load) for system in STILL}


def table(chosen: Sequence[Task], found: Sequence[Found]) -> Table:
    columns = (
        Column("pipeline"),
        Column("cv", "g"),
        Column("SLO ms", ".0f"),
        Column("system"),
        Column("$/h", ".2f"),
        Column("missed", ".2%"),
        Column("p99 live ms", ".0f"),
        Column("p99 estimated ms", ".0f"),
        Column("plan s", ".2f"),
        Column("simulated", "d"),
    )
    rows = [
        (task.shape, task.cv, 1e3 * task.slo_s, *_cells(system, done))
        for task, by_system in zip(chosen, found, strict=True)
        for system, done in by_system.items()
    ]
    note = (
        f"{RATE_RPS:g} requests/s. Plans are made on the first quarter and never changed; missed is the share late or "
        "dropped of the rest. nan: no plan keeps the SLO, or the system estimates nothing; inf: more than 1 % dropped. "
        "plan s is processor time."
    )
    return Table("still", "Plans on even and on bursty arrivals", columns, rows, note)


def _cells(system: str, done: Outcome | None) -> tuple[Cell, ...]:
    nan = float("nan")
    if done is None:
        return (system, nan, nan, nan, nan, nan, 0)
    estimate_ms = nan if done.estimate_s is None else 1e3 * done.estimate_s
    return (
        system,
        done.cost_per_hour,
        done.missed,
        1e3 * done.p99_s,
        estimate_ms,
        done.plan_s,
        done.simulated,
    )


def summary(found: Sequence[Found]) -> Table:
    """A line a system, against inferline-plan where both have a plan."""
    columns = (
        Column("system"),
        Column("plans", "d"),
        Column("cost / inferline", ".2f"),
        Column("cost / inferline, most", ".2f"),
        Column("missed, mean", ".2%"),
        Column("keep p99 live", "d"),
        Column("estimate off, median", ".1%"),
        Column("plan s, most", ".2f"),
    )
    rows = [_summed(system, found) for system in STILL]
    note = (
        "Over pipelines, variations and SLOs. `keep p99 live`: plans of which at most 1 % of the live requests were "
        "missed. `estimate off`: |live p99 / estimated p99 − 1|, where nothing beyond 1 % was dropped."
    )
    return Table("still-summary", "Plans that stay as they are", columns, rows, note)


def _summed(system: str, found: Sequence[Found]) -> tuple[Cell, ...]:
    pairs = [(own, each["inferline-plan"]) for each in found if (own := each[system]) is not None]
    ratios = [own.cost_per_hour / ours.cost_per_hour for own, ours in pairs if ours is not None] or [float("nan")]
    plans = [done for done, _ in pairs]
    off = [abs(d.p99_s / d.estimate_s - 1) for d in plans if d.estimate_s and isfinite(d.p99_s)]
    return (
        system,
        len(plans),
        geometric_mean(ratios),
        max(ratios),
        fmean(d.missed for d in plans) if plans else float("nan"),
        sum(d.missed <= 0.01 for d in plans),
        median(off) if off else float("nan"),
        max((d.plan_s for d in plans), default=float("nan")),
    )
