"""`ipa rollback`: which plan, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ipa.diff import changes
from ipa.domain import Plan
from ipa.ports import Outcome
from ipa.report.console import stdout_console
from ipa.report.solve import change_row
from ipa.report.words import plan_words


def document(pipeline: str, back: int, live: Plan | None, plan: Plan, outcome: Outcome | None) -> dict[str, Any]:
    """`outcome` None is a dry run."""
    return {
        "pipeline": pipeline,
        "back": back,
        "plan": [asdict(a) for a in plan.allocations],
        "changes": [change_row(change) for change in changes(live, plan)],
        "outcome": asdict(outcome) if outcome else None,
    }


def table(document: dict[str, Any]) -> None:
    outcome = document["outcome"]
    verb = "would go back to" if outcome is None else "went back to" if outcome["applied"] else "could not go back to"
    detail = f" [{outcome['detail']}]" if outcome and outcome["detail"] else ""
    line = f"{document['pipeline']} {verb} {plan_words(document['plan'])}{detail}"
    stdout_console().print(line, markup=False, soft_wrap=True)
