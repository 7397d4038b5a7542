"""`ipa solve`: one decision as a document and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ipa.domain import Change
from ipa.evaluation import Evaluation
from ipa.options import Problem
from ipa.policy import Solution
from ipa.policy.infeasible import Diagnosis, Relaxation
from ipa.report import explain
from ipa.report.amounts import amount, as_set, bound, difference, rate
from ipa.report.console import stdout_console
from ipa.report.words import allocation_of, words

EMPTY_NUMBERS = ("objective", "score", "accuracy", "cost_cores", "cost_per_hour", "latency_s")


def document(
    problem: Problem,
    solution: Solution,
    reason: str,
    changes: Sequence[Change],
    relaxations: Sequence[Relaxation],
) -> dict[str, Any]:
    """The contract's JSON object of `ipa solve`."""
    best, certificate = solution.evaluation, solution.certificate
    return {
        "pipeline": problem.pipeline,
        "rate_rps": problem.rate_rps,
        "feasible": best is not None,
        "reason": reason,
        "plan": _rows(problem, best) if best else [],
        **({name: getattr(best, name) if best else None for name in EMPTY_NUMBERS}),
        "solver": {
            "name": solution.solver,
            "status": solution.status,
            "gap": solution.gap,
            "seconds": round(solution.seconds, 6),
        },
        "changes": [change_row(change) for change in changes],
        "relaxations": [_relaxation(r.limit.key, r.limit.bound, r.to) for r in relaxations],
        **({"certificate": asdict(certificate)} if certificate else {}),
        **({"estimate": asdict(solution.estimate)} if solution.estimate else {}),
    }


def _relaxation(key: str, before: float, to: float) -> dict[str, Any]:
    return {"limit": key, "from": as_set(key, before), "to": as_set(key, to)}


def shortfall(diagnosis: Diagnosis, largest_rate_rps: float) -> dict[str, Any]:
    """The document's further keys where there is no plan; a largest rate of 0 means that none can be served."""
    return {"unhelpful": [limit.key for limit in diagnosis.unhelpful], "largest_rate_rps": largest_rate_rps}


def _rows(problem: Problem, best: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            **asdict(allocation),
            "latency_s": float(stage.latency_s[k]),
            "queue_s": float(stage.queue_s[k]),
            "throughput_rps": float(stage.throughput_rps[k]),
            "accuracy": float(stage.accuracy[k]),
            "cost_cores": float(allocation.total_cores),
        }
        for stage, k, allocation in zip(problem.stages, best.choice, best.plan.allocations, strict=True)
    ]


def change_row(change: Change) -> dict[str, Any]:
    return {
        "stage": change.stage,
        "before": asdict(change.before) if change.before else None,
        "after": asdict(change.after) if change.after else None,
    }


def table(document: dict[str, Any]) -> None:
    """The same for people: the plan, its totals, what changes, or why there is no plan."""
    from rich.table import Table

    console = stdout_console()
    if not document["feasible"]:
        for line in [*shortfall_words(document), *_taken(document)]:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        return
    grid = Table(title=f"{document['pipeline']} at {document['rate_rps']:g} requests/s", title_justify="left")
    for name in ("stage", "variant", "hardware"):
        grid.add_column(name)
    for name in ("cores", "batch", "replicas", "latency ms", "fill ms", "requests/s", "accuracy"):
        grid.add_column(name, justify="right")
    for row in document["plan"]:
        grid.add_row(
            *(str(row[name]) for name in ("stage", "variant", "hardware", "cores", "batch", "replicas")),
            f"{1e3 * row['latency_s']:.2f}",
            f"{1e3 * row['queue_s']:.2f}",
            f"{row['replicas'] * row['throughput_rps']:.1f}",
            f"{row['accuracy']:.4f}",
        )
    console.print(grid)
    solver = document["solver"]
    gap = f"at most {solver['gap']:.2%} below the best, " if solver["gap"] else ""
    console.print(
        f"accuracy {document['accuracy']:.4f}   latency {1e3 * document['latency_s']:.1f} ms   "
        f"cores {document['cost_cores']:g}   objective {document['objective']:.6g}   "
        f"({solver['name']}: {solver['status']}, {gap}{1e3 * solver['seconds']:.0f} ms)",
        highlight=False,
        soft_wrap=True,
    )
    if "certificate" in document:
        console.print(certificate_words(document["certificate"]), highlight=False, soft_wrap=True)
    for line in _taken(document):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for change in document["changes"]:
        console.print(f"  {change['stage']}: {_words(change['before'])} → {_words(change['after'])}")
    if "explain" in document:
        explain.table(document, console)


def certificate_words(certificate: dict[str, Any]) -> str:
    """The percentile as simulated, and on what arrivals."""
    tried = "1 plan tried" if certificate["plans_tried"] == 1 else f"{certificate['plans_tried']:,} plans tried"
    if not certificate["requests"]:
        return f"nothing arrives, so nothing is late ({tried})"
    value, half = 1e3 * certificate["latency_s"], 1e3 * certificate["half_width_s"]
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    arrivals = "Poisson" if certificate["cv"] == 1 else f"Gamma with cv {certificate['cv']:.3g}"
    return (
        f"p{certificate['percentile']:g} = {value:.{digits}f} ± {half:.{digits}f} ms "
        f"({certificate['requests']:,} simulated arrivals, {arrivals}; {tried})"
    )


def _taken(document: dict[str, Any]) -> list[str]:
    """Of a plan made on a sample: the percentile there, and the actions that led to the plan."""
    found = document.get("estimate")
    if not found:
        return []
    value = "none" if found["latency_s"] is None else f"{1e3 * found['latency_s']:.4g} ms"
    asked = f"{found['asked']:,} plans asked for, {found['simulated']:,} simulated"
    lines = [f"p{found['percentile']:g} = {value} on a sample of {found['requests']:,} arrivals ({asked})"]
    for action in found["actions"]:
        way = " → ".join(_words(row) for row in (action["before"], action["after"]) if row)
        lines.append(f"  {action['name']:<14} {action['stage']}: {way}   {action['cost']:g}")
    return lines


def shortfall_words(document: dict[str, Any]) -> list[str]:
    """Why there is no plan, what would be enough, and how much could be served."""
    lines = [document["reason"]]
    if document["relaxations"]:
        lines.append("one of these would be enough:")
    for row in document["relaxations"]:
        key, before, to = row["limit"], row["from"], row["to"]
        lines.append(f"  {key} {bound(key, before)} → {amount(key, to)} ({difference(key, to - before)})")
    if document.get("unhelpful"):
        lines.append(f"no help alone, however far relaxed: {', '.join(document['unhelpful'])}")
    if "largest_rate_rps" in document:
        lines.append(_served(document["largest_rate_rps"], document["rate_rps"]))
    return lines


def _served(largest_rps: float, rate_rps: float) -> str:
    if largest_rps == 0:
        return "within these limits no rate at all can be served"
    if largest_rps < rate_rps:
        return f"the largest rate within these limits is {rate(largest_rps)}"
    upto = "however large" if largest_rps == float("inf") else f"up to {rate(largest_rps)}"
    return (
        f"within these limits larger rates can be served ({upto}): at {rate_rps:g} requests/s batches fill too slowly"
    )


def _words(row: dict[str, Any] | None) -> str:
    return words(allocation_of(row)) if row else "nothing"
