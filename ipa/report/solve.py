"""`ipa solve`: one decision as a document and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ipa.domain import Allocation, Change
from ipa.evaluation import Evaluation
from ipa.options import Problem
from ipa.policy import Solution
from ipa.policy.infeasible import Relaxation
from ipa.report.console import stdout_console

EMPTY_NUMBERS = ("objective", "score", "accuracy", "cost_cores", "cost_per_hour", "latency_s")


def document(
    problem: Problem,
    solution: Solution,
    reason: str,
    changes: Sequence[Change],
    relaxations: Sequence[Relaxation],
) -> dict[str, Any]:
    """The contract's JSON object of `ipa solve`."""
    best = solution.evaluation
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
        "relaxations": [{"limit": r.limit.key, "from": r.limit.bound, "to": r.to} for r in relaxations],
    }


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
        console.print(document["reason"], soft_wrap=True)
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
    console.print(
        f"accuracy {document['accuracy']:.4f}   latency {1e3 * document['latency_s']:.1f} ms   "
        f"cores {document['cost_cores']:g}   objective {document['objective']:.6g}   "
        f"({solver['name']}: {solver['status']}, {1e3 * solver['seconds']:.0f} ms)",
        highlight=False,
        soft_wrap=True,
    )
    for change in document["changes"]:
        console.print(f"  {change['stage']}: {_words(change['before'])} → {_words(change['after'])}")


def _words(row: dict[str, Any] | None) -> str:
    return words(Allocation(**row)) if row else "nothing"


def words(allocation: Allocation) -> str:
    """One allocation in a few words."""
    a = allocation
    return f"{a.replicas}×{a.variant} ({a.hardware}, {a.cores} core{'s' * (a.cores > 1)}, batch {a.batch})"
