"""Decisions and seconds as the cells of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ipa.domain import Change
from ipa.report.html import quantities as q
from ipa.report.html.bins import bin_width_s, bins
from ipa.report.html.lanes import short
from ipa.report.html.story import Decision, Second
from ipa.report.html.turns import Stretch, kind
from ipa.report.words import words

MOST_NUMBERS = 60


@dataclass(frozen=True, slots=True)
class ChangeCell:
    """`title`: both allocations in full."""

    stage: str
    before: str
    after: str
    title: str


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """`kind`: see turns.kind."""

    kind: str
    when: str
    turns: int
    load: str
    forecast: str
    changes: tuple[ChangeCell, ...]
    reason: str
    detail: str
    accuracy: str
    cores: str


def decision_row(stretch: Stretch, start: datetime | None) -> DecisionRow:
    decision = stretch.last
    when = q.moment(stretch.first.at_s, start)
    if stretch.turns > 1:
        when += f" – {q.moment(stretch.last.at_s, start)}"
    return DecisionRow(
        kind=kind(decision),
        when=when,
        turns=stretch.turns,
        load=q.number(decision.rate_rps),
        forecast=q.number(decision.forecast_rps),
        changes=tuple(change_cell(change) for change in decision.changes),
        reason=decision.reason,
        detail=_detail(decision),
        accuracy=q.share(decision.accuracy),
        cores=q.number(decision.cost_cores),
    )


def _detail(decision: Decision) -> str:
    outcome = decision.outcome
    if outcome is None:
        return ""
    took = f"took {q.latency(outcome.seconds)}" if outcome.applied and outcome.seconds >= 0.05 else ""
    return "; ".join(part for part in (took, outcome.detail) if part)


def change_cell(change: Change) -> ChangeCell:
    before, after = change.before, change.after
    return ChangeCell(
        stage=change.stage,
        before=short(before) if before else "nothing",
        after=short(after) if after else "nothing",
        title=f"{words(before) if before else 'nothing'} → {words(after) if after else 'nothing'}",
    )


NUMBER_COLUMNS = ("from", "sent", "in SLO", "late", "dropped", "failed", "p50", "p99", "cores", "accuracy")


def number_rows(seconds: Sequence[Second], start: datetime | None) -> tuple[int, tuple[tuple[str, ...], ...]]:
    """(seconds a row, rows): all of the run in at most about MOST_NUMBERS rows."""
    width_s = bin_width_s(seconds[-1].second + 1, MOST_NUMBERS) if seconds else 1
    rows = tuple(
        (
            q.moment(b.at_s, start),
            f"{b.sent:,}",
            q.share(None if b.missed_share is None else 1 - b.missed_share),
            f"{b.late:,}",
            f"{b.dropped:,}",
            f"{b.failed:,}",
            q.latency(b.p50_s),
            q.latency(b.p99_s),
            q.number(b.cores),
            q.share(b.accuracy),
        )
        for b in bins(seconds, width_s)
    )
    return width_s, rows
