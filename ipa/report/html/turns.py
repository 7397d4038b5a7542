"""The turns of a loop as a reader can follow them: what ran when, and stretches of turns that decided alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ipa.domain import Plan
from ipa.report.html.bins import Points
from ipa.report.html.story import Decision

MOST_ROWS = 200
DRY_RUN = "dry run"  # as ipa.report.adapt.dry says it
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Stretch:
    """`turns` turns in a row that kept the plan for the same reason, or one turn that did something."""

    first: Decision
    last: Decision
    turns: int


@dataclass(frozen=True, slots=True)
class Stretches:
    """What is listed; `hidden` turns more are not."""

    shown: tuple[Stretch, ...]
    hidden: int


def acted(decision: Decision) -> bool:
    """Whether it wanted to change what runs."""
    return decision.apply is not None or bool(decision.changes)


def kind(decision: Decision) -> str:
    """applied, failed, proposed (in a dry run, or without a word on what became of it) or kept."""
    if not acted(decision):
        return "kept"
    if decision.outcome is None or decision.outcome.detail == DRY_RUN:
        return "proposed"
    return "applied" if decision.outcome.applied else "failed"


def stretches(decisions: Sequence[Decision], most: int = MOST_ROWS) -> Stretches:
    """In order. Of more than `most`, first those that kept the plan are hidden, then those in the middle."""
    groups = groupby(enumerate(decisions), lambda numbered: _likeness(*numbered))
    rows = [[decision for _, decision in members] for _, members in groups]
    found = [Stretch(row[0], row[-1], len(row)) for row in rows]
    if len(found) > most:
        found = [row for row in found if acted(row.first)]
    if len(found) > most:
        found = found[: most // 2] + found[-(most - most // 2) :]
    return Stretches(tuple(found), len(decisions) - sum(row.turns for row in found))


def _likeness(number: int, decision: Decision) -> object:
    """Equal for neighbours that are one stretch: reasons alike but for their figures; what acted stands alone."""
    return number if acted(decision) else _NUMBER.sub("", decision.reason)


def plans(decisions: Sequence[Decision]) -> tuple[tuple[float, Plan], ...]:
    """(from when, what ran): as observed at each turn, and as applied from the end of the change on."""
    found: list[tuple[float, Plan]] = []
    for decision in decisions:
        _note(found, decision.at_s, decision.live)
        if decision.applied and decision.outcome is not None:
            _note(found, decision.at_s + decision.outcome.seconds, decision.apply)
    return tuple(found)


def _note(found: list[tuple[float, Plan]], at_s: float, plan: Plan | None) -> None:
    if plan is not None and (not found or found[-1][1] != plan):
        found.append((at_s, plan))


def cores(ran: Sequence[tuple[float, Plan]]) -> Points:
    return tuple((at_s, float(plan.total_cores)) for at_s, plan in ran)


def accuracies(ran: Sequence[tuple[float, Plan]], decisions: Sequence[Decision]) -> Points:
    """A plan's accuracy is that of its variants, known from any turn that wanted them; None where none did."""
    known = {_variants(d.wanted): d.accuracy for d in decisions if d.wanted is not None and d.accuracy is not None}
    return tuple((at_s, known.get(_variants(plan))) for at_s, plan in ran)


def _variants(plan: Plan) -> frozenset[tuple[str, str]]:
    return frozenset((a.stage, a.variant) for a in plan.allocations)
