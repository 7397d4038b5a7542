"""Decisions as recorded → the plans that ran, and the one to go back to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ipa.domain import Plan
from ipa.errors import UsageError
from ipa.report.history import Entry
from ipa.report.html.story import Decision


def plans_that_ran(decisions: Sequence[Decision], live: Plan | None) -> tuple[Plan, ...]:
    """Oldest first, each once in a row; the last is `live`. Plans that were tried in vain are left out."""
    found: list[Plan] = []
    for decision in decisions:
        if decision.applied and decision.apply is not None:
            found += [decision.live] if decision.live is not None else []
            found.append(decision.apply)
    found += [live] if live is not None else []
    return tuple(plan for i, plan in enumerate(found) if i == 0 or plan != found[i - 1])


def plan_before(decisions: Sequence[Decision], live: Plan | None, back: int) -> Plan:
    """The plan that ran `back` changes ago. Raises UsageError where nobody recorded so many."""
    plans = plans_that_ran(decisions, live)
    if back < len(plans):
        return plans[-1 - back]
    known = (
        f"{len(plans) - 1} earlier plans are" if len(plans) > 2 else "one earlier plan is" if plans[1:] else "none is"
    )
    raise UsageError(f"rollback {back}: {known} recorded, see ipa history")


def entries(decisions: Sequence[Decision], live: Plan | None) -> tuple[Entry, ...]:
    """Each decision with how far back lies what it applied."""
    plans = plans_that_ran(decisions, live)
    found, at = [], 0
    for decision in decisions:
        back = None
        if decision.applied and decision.apply is not None:
            at = plans.index(decision.apply, at)
            back = len(plans) - 1 - at
        found.append(Entry(decision, back))
    return tuple(found)
