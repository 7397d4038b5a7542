"""A folder that `ipa simulate --save FOLDER` wrote → a run of several policies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from ipa.adapters.files import read_text
from ipa.adapters.report_cells import Cells, parse
from ipa.adapters.report_journal import from_start, read_journal
from ipa.adapters.report_seconds import read_seconds, summary
from ipa.errors import UsageError
from ipa.report.html.story import Objective, PolicyRun, Run

DOCUMENT, SECONDS, DECISIONS = "simulation.json", ".seconds.csv", ".decisions.jsonl"


def simulation_run(folder: Path, objective: Objective) -> Run:
    """What the document says of the objective goes before `objective`. Raises UsageError."""
    path = folder / DOCUMENT
    document = parse(read_text(path), str(path))
    notes: list[str] = []
    rows = document.objects("policies")
    intervals = _intervals(rows)
    policies = tuple(_policy(folder, row, intervals, notes) for row in rows)
    if not policies:
        raise UsageError(f"{path}: policies: holds no policy")
    slo_s = document.amount("slo_s")
    percentile = document.amount("percentile")
    last_s = max((policy.seconds[-1].second + 1.0 for policy in policies if policy.seconds), default=0.0)
    return Run(
        kind="simulation",
        title=document.text("pipeline"),
        source=str(folder),
        objective=replace(
            objective,
            latency_s=objective.latency_s if slo_s is None else slo_s,
            percentile=objective.percentile if percentile is None else percentile,
        ),
        policies=policies,
        trace=document.text("trace"),
        duration_s=max(document.amount("duration_s") or 0.0, last_s),
        notes=tuple(notes),
    )


def _policy(folder: Path, row: Cells, intervals: Counter[str], notes: list[str]) -> PolicyRun:
    """A policy without a file of seconds or decisions is shown by its totals, and said to lack it."""
    name, seed = row.text("policy"), row.count("seed")
    if not name or Path(name).name != name:
        raise row.wrong("policy", "is no name of a policy")
    pace = f"{row.amount('interval_s'):g}s" if row.amount("interval_s") is not None else None
    stem = _stem(folder, name, pace, seed)
    seconds, decisions = folder / f"{stem}{SECONDS}", folder / f"{stem}{DECISIONS}"
    if not seconds.exists():
        notes.append(f"{seconds.name} is missing: nothing over time of this policy.")
    read = read_journal(decisions) if decisions.exists() else None
    if read is not None and read.partial:
        notes.append(f"The last line of {decisions.name} is not whole: left out.")
    return PolicyRun(
        policy=f"{name}, every {pace}" if intervals[name] > 1 else name,
        seed=seed,
        summary=summary(row, "requests"),
        seconds=read_seconds(seconds) if seconds.exists() else (),
        decisions=from_start(read.decisions, 0.0) if read else (),
    )


def _stem(folder: Path, name: str, pace: str | None, seed: int) -> str:
    """POLICY-SEED; where several times between decisions were simulated, POLICY-INTERVAL-SEED."""
    paced = f"{name}-{pace}-{seed}"
    return paced if pace and (folder / f"{paced}{SECONDS}").exists() else f"{name}-{seed}"


def _intervals(rows: list[Cells]) -> Counter[str]:
    """Of each policy, at how many times between decisions it was simulated."""
    return Counter(name for name, _ in {(row.text("policy"), row.amount("interval_s")) for row in rows})
