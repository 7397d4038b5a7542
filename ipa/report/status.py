"""`ipa status`: what runs, whether it is ready, who controls it and what stands in the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ipa.domain import Allocation, Plan
from ipa.report.console import stdout_console
from ipa.report.words import plan_words


@dataclass(frozen=True, slots=True)
class Running:
    """A server and how many of its replicas are ready."""

    allocation: Allocation
    ready: int


@dataclass(frozen=True, slots=True)
class Status:
    """`where`: a URL, or namespace and context. `revision`, `at` and `why` are of the plan of record, None and "" where
    there is none. `goal`: where a change under way leads. `controller`: who holds the lease, "" for nobody.
    """

    pipeline: str
    cluster: str
    where: str
    ready: bool
    running: tuple[Running, ...]
    revision: int | None = None
    at: str = ""
    why: str = ""
    goal: Plan | None = None
    controller: str = ""
    notes: tuple[str, ...] = ()


def document(status: Status) -> dict[str, Any]:
    return {
        "pipeline": status.pipeline,
        "cluster": status.cluster,
        "where": status.where,
        "ready": status.ready,
        "plan": [{**asdict(each.allocation), "ready": each.ready} for each in status.running],
        "revision": status.revision,
        "at": status.at or None,
        "why": status.why or None,
        "goal": [asdict(a) for a in status.goal.allocations] if status.goal else None,
        "controller": status.controller or None,
        "notes": list(status.notes),
    }


def table(document: dict[str, Any]) -> None:
    from rich.table import Table

    console = stdout_console()
    said = "ready" if document["ready"] else "not ready" if document["plan"] else "nothing runs"
    grid = Table(title=f"{document['pipeline']}, {document['where']}: {said}", title_justify="left")
    for name in ("stage", "variant", "hardware"):
        grid.add_column(name)
    for name in ("cores", "batch", "ready"):
        grid.add_column(name, justify="right")
    for row in document["plan"]:
        cells = [str(row[name]) for name in ("stage", "variant", "hardware", "cores", "batch")]
        grid.add_row(*cells, f"{row['ready']}/{row['replicas']}")
    console.print(grid)
    for line in _lines(document):
        console.print(line, markup=False, soft_wrap=True)


def _lines(document: dict[str, Any]) -> list[str]:
    lines = []
    if document["revision"] is not None:
        lines.append(f"revision {document['revision']} of {document['at']}: {document['why']}")
    if document["goal"] is not None:
        lines.append(f"a change is under way to {plan_words(document['goal'])}")
    if document["cluster"] == "kubernetes":
        lines.append(f"controlled by {document['controller'] or 'nobody'}")
    return lines + [f"note: {note}" for note in document["notes"]]
