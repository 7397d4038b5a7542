"""`ipa solve` with several configs: the split as a document and as a table with sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipa.domain import Change
from ipa.policy.shared import MoreCores, Share, Split
from ipa.report import solve
from ipa.report.console import stdout_console
from ipa.report.words import plan_words


def document(split: Split, changes: Mapping[str, Sequence[Change]]) -> dict[str, Any]:
    """{pipelines: [solve documents + weight, alone, cut], cost_cores, reason, cores, objective, next_core}.

    `cores` is the budget; `changes` are by pipeline; `cost_cores` and `objective` are null unless all have a plan.
    """
    return {
        "pipelines": [_pipeline(share, changes.get(share.demand.problem.pipeline, ())) for share in split.shares],
        "cost_cores": split.cost_cores,
        "reason": split.reason,
        "cores": split.cores,
        "objective": split.objective,
        "next_core": _next_core(split.more),
    }


def _pipeline(share: Share, changes: Sequence[Change]) -> dict[str, Any]:
    diagnosis = share.diagnosis
    reason = diagnosis.reason if diagnosis else share.solution.reason
    relaxations = diagnosis.relaxations if diagnosis else ()
    names = ("objective", "accuracy", "cost_cores")
    return {
        **solve.document(share.demand.problem, share.solution, reason, changes, relaxations),
        "weight": share.demand.weight,
        "alone": {name: getattr(share.alone, name) if share.alone else None for name in names},
        "cut": share.cut,
    }


def _next_core(more: MoreCores | None) -> dict[str, Any] | None:
    return {"cores": more.cores, "pipeline": more.pipeline, "gain": more.gain} if more else None


# --- for people --------------------------------------------------------------------------------------------


def table(document: dict[str, Any]) -> None:
    """A row a pipeline, who was cut, what one more core would buy, and each plan."""
    from rich.table import Table

    console = stdout_console()
    title = "each on its own limits" if document["cores"] is None else f"{document['cores']:g} cores for all"
    grid = Table(title=title, title_justify="left")
    grid.add_column("pipeline")
    for name in ("requests/s", "weight", "accuracy", "latency ms", "cores", "alone", "objective", "alone"):
        grid.add_column(name, justify="right")
    grid.add_column("")
    for row in document["pipelines"]:
        grid.add_row(*_cells(row))
    console.print(grid)
    for sentence in _sentences(document):
        console.print(sentence, soft_wrap=True)
    for row in document["pipelines"]:
        if row["feasible"]:
            changed = "" if row["changes"] else " (as it runs)"
            console.print(f"  {row['pipeline']}: {plan_words(row['plan'])}{changed}", soft_wrap=True)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    alone = row["alone"]
    return (
        row["pipeline"],
        f"{row['rate_rps']:g}",
        f"{row['weight']:g}",
        _number(row["accuracy"], ".4f"),
        _number(row["latency_s"] and 1e3 * row["latency_s"], ".1f"),
        _number(row["cost_cores"], "g"),
        _number(alone["cost_cores"], "g"),
        _number(row["objective"], ".6g"),
        _number(alone["objective"], ".6g"),
        "cut" if row["cut"] else "" if row["feasible"] else "no plan",
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _sentences(document: dict[str, Any]) -> list[str]:
    if document["cost_cores"] is None:
        return [document["reason"]]
    total = f"{document['cost_cores']:g} cores, Σ weight × objective {document['objective']:.6g}"
    if document["cores"] is None:
        return [total]
    return [total, _cuts(document), _more(document["next_core"])]


def _cuts(document: dict[str, Any]) -> str:
    cut = [
        f"{row['pipeline']} from {row['alone']['cost_cores']:g} to {row['cost_cores']:g} cores "
        f"(accuracy {row['alone']['accuracy']:.4f} → {row['accuracy']:.4f})"
        for row in document["pipelines"]
        if row["cut"]
    ]
    return f"cut by the budget: {', '.join(cut)}" if cut else "the budget cuts nobody"


def _more(next_core: dict[str, Any] | None) -> str:
    if next_core is None:
        return "more cores would buy nothing"
    bought = f"+{next_core['gain']:.6g}, most of it for {next_core['pipeline']}"
    if next_core["cores"] == 1:
        return f"one more core would buy {bought}"
    return f"one more core would buy nothing; {next_core['cores']} more would buy {bought}"
