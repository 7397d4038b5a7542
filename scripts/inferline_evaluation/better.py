"""Exact against greedy: random pipelines, both searches over the same plans, judged by the same certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import process_time

import numpy as np
from paper_evaluation.tables import Column, Table

from inferline_evaluation.systems import certifying
from ipa.domain import Config, Hardware, LatencySettings, Measurement, Objective, Pipeline, Slo, Stage, Variant
from ipa.options import price
from ipa.policy import auto, inferline
from ipa.policy.certified import certified
from ipa.policy.estimator import by_certificate
from ipa.policy.rehearsal import warm_up
from ipa.policy.simulated import simulated
from ipa.simulation.stations import network

PIPELINES = 200
CVS = (1.0, 2.0, 4.0)
BATCHES = (1, 2, 4, 8, 16)
HARDWARE = {
    "cpu": Hardware("cpu", price_per_core_hour=0.05),
    "k80": Hardware("k80", price_per_hour=0.90),
    "v100": Hardware("v100", price_per_hour=3.06),
}
LIMIT_S = 4.0
SAME = 1e-6  # $/h; the batch's weight in the objective is far below it


@dataclass(frozen=True, slots=True)
class Task:
    seed: int
    cv: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Costs in $/h, None without a plan that passes; times are processor seconds. `proven`: nothing is cheaper."""

    task: Task
    stages: int
    is_line: bool
    greedy: float | None
    exact: float | None
    proven: bool
    greedy_s: float
    exact_s: float


def tasks(pipelines: int) -> list[Task]:
    """The variations in turn."""
    return [Task(seed, CVS[seed % len(CVS)]) for seed in range(pipelines)]


def pipeline(seed: int) -> tuple[Pipeline, float]:
    """Two to four stages in a random graph, one variant each, three kinds of hardware; and a rate."""
    random = Random(seed)
    stages: list[Stage] = []
    rows: list[Measurement] = []
    fastest_s = 0.0
    for s in range(random.choice((2, 3, 4))):
        before = [stage.name for stage in stages]
        after = tuple(sorted(random.sample(before, random.choice((1, min(2, len(before))))))) if before else ()
        visits = random.choice((1.0, 1.0, 0.5)) * max((stages[int(name[1:])].visits for name in after), default=1.0)
        stages.append(Stage(f"s{s}", (Variant("m", 1.0),), tuple(HARDWARE), after, visits))
        cpu_s = random.choice((0.005, 0.02, 0.1, 0.3)) * random.uniform(0.7, 1.4)
        servers = (
            ("cpu", 1.0, 0.05),
            ("k80", random.uniform(6, 14), 0.3),
            ("v100", random.uniform(40, 90), 0.5),
        )
        for hardware, speed, fixed in servers:
            first_s = 0.002 * (hardware != "cpu") + cpu_s / speed
            rows += [Measurement(f"s{s}", "m", hardware, 1, b, first_s * (fixed + (1 - fixed) * b)) for b in BATCHES]
        fastest_s += 0.002 + cpu_s / 40
    slo_s = max(0.05, fastest_s * random.choice((4.0, 8.0, 16.0)))
    objective = Objective(0.0, 1.0, 1e-9, unit="money")
    latency = LatencySettings(percentile="mean")
    found = Pipeline(
        f"random-{seed}",
        tuple(stages),
        Slo(slo_s, 2 * slo_s),
        objective,
        latency=latency,
        hardware=HARDWARE,
        measurements=tuple(rows),
    )
    return found, random.choice((10.0, 40.0, 120.0))


def compared(task: Task) -> Compared:
    of, rate_rps = pipeline(task.seed)
    config = Config(of, Path())
    warm_up(network(config))
    problem, own = price(of, rate_rps), certifying(config, rate_rps, task.cv)
    began_s = process_time()
    first = inferline.greedy(config, problem, {}, own, by_certificate(own), 60.0)
    greedy_s = process_time() - began_s
    start = first.evaluation.plan if first.evaluation else None
    began_s = process_time()
    found = certified(auto.solve, lambda _: own, LIMIT_S, start)(simulated(problem))
    return Compared(
        task,
        len(of.stages),
        all(stage.after == ((of.stages[s - 1].name,) if s else ()) for s, stage in enumerate(of.stages)),
        first.evaluation.cost_per_hour if first.evaluation else None,
        found.evaluation.cost_per_hour if found.evaluation else None,
        found.status == "optimal",
        greedy_s,
        process_time() - began_s,
    )


def table(found: Sequence[Compared]) -> Table:
    """A line for each variation, and one for all."""
    columns = (
        Column("cv of arrivals"),
        Column("pipelines", "d"),
        Column("with a plan", "d"),
        Column("exact dearer", "d"),
        Column("exact cheaper", "d"),
        Column("saved, mean", ".1%"),
        Column("saved, where cheaper", ".1%"),
        Column("saved, most", ".1%"),
        Column("proven", "d"),
        Column("greedy s, median", ".2f"),
        Column("exact s, median", ".2f"),
    )
    rows = [_line(f"{cv:g}", [each for each in found if each.task.cv == cv]) for cv in CVS]
    lines = sum(each.is_line for each in found)
    note = (
        f"Random pipelines of 2 to 4 stages, {lines} lines and {len(found) - lines} graphs, three kinds of hardware, 5 "
        f"batches; both plans pass the same certificate. The exact search ends after {LIMIT_S:g} s at the latest and "
        "begins with the greedy plan; `proven`: nothing cheaper passes. Seconds are processor time."
    )
    return Table("better", "Exact against greedy under one certificate", columns, [*rows, _line("all", found)], note)


def _line(name: str, own: Sequence[Compared]) -> tuple[str | int | float, ...]:
    both = [(e.greedy, e.exact) for e in own if e.greedy is not None and e.exact is not None]
    saved = np.array([1 - exact / greedy for greedy, exact in both]) if both else np.zeros(1)
    cheaper = saved[[greedy - exact > SAME for greedy, exact in both]] if both else np.zeros(0)
    return (
        name,
        len(own),
        len(both),
        sum(exact > greedy + SAME for greedy, exact in both),
        len(cheaper),
        float(saved.mean()),
        float(cheaper.mean()) if len(cheaper) else 0.0,
        float(saved.max()),
        sum(e.proven for e in own),
        float(np.median([e.greedy_s for e in own])) if own else 0.0,
        float(np.median([e.exact_s for e in own])) if own else 0.0,
    )
