"""`ipa history`: what was decided, when and why, and how far back each plan lies that ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ipa.diff import changes
from ipa.domain import Change, Plan
from ipa.report.console import stdout_console
from ipa.report.html.story import Decision
from ipa.report.output import finite
from ipa.report.solve import change_row
from ipa.report.words import plan_words


@dataclass(frozen=True, slots=True)
class Entry:
    """`back`: the N of `ipa rollback N` that returns to what this decision applied; 0 runs now, None is no way back."""

    decision: Decision
    back: int | None


def document(pipeline: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """Oldest first."""
    found: dict[str, Any] = finite({"pipeline": pipeline, "decisions": [_row(entry) for entry in entries]})
    return found


def _row(entry: Entry) -> dict[str, Any]:
    decision = entry.decision
    return {
        "at": datetime.fromtimestamp(decision.at_s, UTC).isoformat(timespec="seconds"),
        "back": entry.back,
        "rate_rps": decision.rate_rps,
        "forecast_rps": decision.forecast_rps,
        "reason": decision.reason,
        "live": _rows(decision.live),
        "apply": _rows(decision.apply),
        "changes": [change_row(change) for change in _changes(decision)],
        "outcome": asdict(decision.outcome) if decision.outcome else None,
    }


def _changes(decision: Decision) -> tuple[Change, ...]:
    return changes(decision.live, decision.apply) if decision.apply else ()


def _rows(plan: Plan | None) -> list[dict[str, Any]] | None:
    return [asdict(a) for a in plan.allocations] if plan else None


def table(document: dict[str, Any]) -> None:
    from rich.table import Table

    console = stdout_console()
    if not document["decisions"]:
        console.print(f"{document['pipeline']}: nothing was decided yet", markup=False)
        return
    grid = Table(title=f"{document['pipeline']}: what was decided", title_justify="left")
    for name, justify in (("back", "right"), ("at", "left"), ("load", "right"), ("forecast", "right")):
        grid.add_column(name, justify=justify)  # type: ignore[arg-type]
    grid.add_column("what and why", overflow="fold")
    for row in document["decisions"]:
        when = datetime.fromisoformat(row["at"]).astimezone().strftime("%m-%d %H:%M:%S")
        back = "" if row["back"] is None else str(row["back"])
        grid.add_row(back, when, _rate(row["rate_rps"]), _rate(row["forecast_rps"]), _what(row))
    console.print(grid)


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}/s"


def _what(row: dict[str, Any]) -> str:
    outcome = row["outcome"]
    if row["apply"] is None:
        return f"kept: {row['reason']}"
    done = "applied" if outcome and outcome["applied"] else "tried"
    detail = f" [{outcome['detail']}]" if outcome and outcome["detail"] else ""
    changed = [change["after"] for change in row["changes"] if change["after"]]
    return f"{done} {plan_words(changed) or 'the same plan'}: {row['reason']}{detail}"
