"""Recordings to report on: the real loop in a world of virtual time, beside it a fluid queue for the latencies."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, pi, sin
from pathlib import Path
from typing import Any

import numpy as np

from ipa.adapters.files import load_config
from ipa.control import Loop, Turn
from ipa.domain import Config
from ipa.policy import policy_named
from ipa.report.adapt import document
from tests.world import World

ROOT = Path(__file__).parents[3]
COLUMNS = (
    "second",
    "sent",
    "answered",
    "dropped",
    "failed",
    "late",
    "mean_s",
    "p50_s",
    "p95_s",
    "p99_s",
    "max_s",
    "send_lag_p99_s",
    "accuracy",
    "cores",
)
Row = dict[str, Any]


def rates(seconds: int, seed: int = 0) -> list[int]:
    """A wave with a burst two thirds on, Poisson counts."""
    noise = np.random.default_rng(seed)
    mean = [
        18 + 12 * sin(2 * pi * t / 900) + 45 * exp(-(((t - 0.66 * seconds) / 25) ** 2)) for t in range(max(1, seconds))
    ]
    return [int(count) for count in noise.poisson(mean)]


def story(config: Config, policy: str, counts: Sequence[int]) -> list[Turn]:
    world = World(dict(enumerate(counts)))
    loop = Loop(config, policy_named(policy, config.pipeline), world, world, world, world.apply)
    return list(loop.turns(len(counts) - 1))


@dataclass
class Queue:
    """Requests that wait, served at a steady rate; who would wait beyond `drop_s` is dropped."""

    slo_s: float
    drop_s: float
    waiting: float = 0.0

    def second(self, at: int, sent: int, capacity_rps: float, base_s: float) -> Row:
        self.waiting = max(0.0, self.waiting + sent - capacity_rps)
        dropped = min(sent, max(0, round(self.waiting - (self.drop_s - base_s) * capacity_rps)))
        self.waiting -= dropped
        delay_s = base_s + self.waiting / capacity_rps
        answered = sent - dropped
        late = answered if delay_s > self.slo_s else 0
        times = {"mean_s": 0.8, "p50_s": 0.75, "p95_s": 0.95, "p99_s": 1.0, "max_s": 1.05}
        return {
            "second": at,
            "sent": sent,
            "answered": answered,
            "dropped": dropped,
            "failed": 0,
            "late": late,
            **{name: factor * delay_s if answered else "" for name, factor in times.items()},
            "send_lag_p99_s": "",
        }


def seconds_of(config: Config, counts: Sequence[int], turns: Sequence[Turn], seed: int = 0) -> list[Row]:
    """What the plans of `turns` make of the load; each carries a tenth more than it was chosen for."""
    noise = np.random.default_rng(seed)
    slo = config.pipeline.slo
    queue = Queue(slo.latency_s, slo.drop_after_s)
    rows, ran, chosen = [], None, iter(turns)
    following = next(chosen, None)
    for at, sent in enumerate(counts):
        while following is not None and following.at_s <= at:
            if following.decision.plan is not None and following.solution is not None:
                ran = following.solution.evaluation, following.forecast
            following = next(chosen, None)
        best, forecast = ran or (None, None)
        capacity_rps = 1.1 * forecast.rate_rps if forecast else 10.0
        base_s = (best.latency_s if best else 0.5) * float(noise.uniform(0.8, 1.1))
        row = queue.second(at, sent, capacity_rps, base_s)
        row["accuracy"] = best.accuracy if best and row["answered"] else ""
        row["cores"] = best.cost_cores if best else ""
        rows.append(row)
    return rows


def totals(rows: Sequence[Row]) -> Row:
    """The sums, and for the quantiles the worst second's."""
    sums = {name: sum(row[name] for row in rows) for name in ("sent", "answered", "dropped", "failed", "late")}
    late = sums.pop("late")
    worst = {
        name: max((row[name] for row in rows if row[name] != ""), default=None)
        for name in ("mean_s", "p50_s", "p95_s", "p99_s")
    }
    known = [row["accuracy"] for row in rows if row.get("accuracy", "") != ""]
    return {
        **sums,
        "slo_share": (sums["answered"] - late) / sums["sent"] if sums["sent"] else None,
        **worst,
        "accuracy": sum(known) / len(known) if known else None,
        "core_hours": sum(row.get("cores") or 0 for row in rows) / 3600,
    }


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_lines(path: Path, documents: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in documents))


def save_simulation(
    folder: Path, policies: Sequence[str] = ("auto", "fa2-low", "fa2-high"), seconds: int = 120, seeds: int = 1
) -> Path:
    """What `ipa simulate configs/video.yaml --policy … --save FOLDER` writes."""
    folder.mkdir(exist_ok=True)
    config = load_config(ROOT / "configs" / "video.yaml")
    found = []
    for name in policies:
        for seed in range(seeds):
            counts = rates(seconds, seed)
            turns = story(config, name, counts)
            rows = seconds_of(config, counts, turns, seed)
            write_table(folder / f"{name}-{seed}.seconds.csv", rows)
            journal = [document(config.pipeline.name, turn) for turn in turns]
            write_lines(folder / f"{name}-{seed}.decisions.jsonl", journal)
            sums = totals(rows)
            row = {"policy": name, "seed": seed, "requests": sums.pop("sent"), **sums}
            changes = sum(turn.outcome is not None for turn in turns)
            found.append({**row, "cost": 0.04 * sums["core_hours"], "changes": changes})
    slo = config.pipeline.slo
    simulation = {
        "trace": f"wave.txt@0:{seconds}",
        "policies": found,
        "pipeline": config.pipeline.name,
        "slo_s": slo.latency_s,
        "drop_after_s": slo.drop_after_s,
        "interval_s": config.control.interval_s,
        "duration_s": seconds,
    }
    (folder / "simulation.json").write_text(json.dumps(simulation))
    return folder


def save_load(folder: Path, seconds: int = 60) -> tuple[Path, Path]:
    """What `ipa load … --output json --per-second` writes: (document, seconds)."""
    config = load_config(ROOT / "configs" / "video.yaml")
    counts = rates(seconds)
    rows = seconds_of(config, counts, story(config, "auto", counts))
    write_table(folder / "load.csv", rows, COLUMNS[:12])
    (folder / "load.json").write_text(
        json.dumps({**totals(rows), "send_lag_p99_s": 0.001, "drops": {}, "failures": {}})
    )
    return folder / "load.json", folder / "load.csv"


def journal_lines(seconds: int = 300, start_s: float = 1_790_000_000.0) -> list[Row]:
    """What `ipa adapt configs/video.yaml` records, beginning at `start_s` of the epoch."""
    config = load_config(ROOT / "configs" / "video.yaml")
    counts = rates(seconds)
    world = World({start_s + at: count for at, count in enumerate(counts)} | {0.0: counts[0]}, at_s=start_s)
    loop = Loop(config, policy_named("auto", config.pipeline), world, world, world, world.apply)
    return [document(config.pipeline.name, turn) for turn in loop.turns(start_s + seconds)]
