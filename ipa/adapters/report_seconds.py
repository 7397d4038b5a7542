"""The per-second .csv of `ipa load`, or of one policy of a simulation, and the totals beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ipa.adapters.files import read_text
from ipa.adapters.report_cells import Cells, parse
from ipa.errors import UsageError
from ipa.report.html.story import Objective, PolicyRun, Run, Second, Summary

_NEEDED = ("second", "sent", "answered", "dropped", "failed", "late")


def read_seconds(path: Path) -> tuple[Second, ...]:
    """Rows in order, unknown columns ignored. Raises UsageError with the line of what is wrong."""
    text = read_text(path)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num + 1}: is not a row of a .csv: {error}") from error
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        said = "is empty" if not text.strip() else f"has no column {', '.join(missing)}"
        raise UsageError(f"{path}: {said}: a per-second file has the columns {', '.join(_NEEDED)} …")
    seconds: list[Second] = []
    for line, row in rows:
        where = f"{path}:{line}"
        second = _second(Cells({key: _cell(value) for key, value in row.items()}, where))
        if seconds and second.second <= seconds[-1].second:
            raise UsageError(f"{where}: second: {second.second} must be after {seconds[-1].second}")
        seconds.append(second)
    return tuple(seconds)


def _cell(text: object) -> object:
    """A number where the cell holds one, None where it is empty or absent, else the text, to be complained of."""
    if not isinstance(text, str) or not text.strip():
        return None
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _second(row: Cells) -> Second:
    counts = (row.count(name) for name in _NEEDED)
    known = (row.amount(name) for name in ("p50_s", "p99_s", "accuracy", "cores"))
    second = Second(*counts, *known)
    if second.sent != second.answered + second.dropped + second.failed or second.late > second.answered:
        raise row.wrong("sent", "must be answered + dropped + failed, and late at most answered")
    return second


def summary(row: Cells, sent: str) -> Summary:
    """A document of `ipa load` or a row of `ipa simulate`, which name what was `sent` differently."""
    return Summary(
        sent=row.count(sent),
        answered=row.count("answered"),
        dropped=row.count("dropped"),
        failed=row.count("failed"),
        slo_share=row.amount("slo_share"),
        mean_s=row.amount("mean_s"),
        p50_s=row.amount("p50_s"),
        p95_s=row.amount("p95_s"),
        p99_s=row.amount("p99_s"),
        accuracy=row.amount("accuracy"),
        core_hours=row.amount("core_hours"),
        cost=row.amount("cost"),
        objective=row.number("objective"),
        regret=row.number("regret"),
        reasons=(*_reasons(row.object("drops")), *_reasons(row.object("failures"))),
    )


def _reasons(row: Cells | None) -> list[tuple[str, int]]:
    return [(reason, row.count(reason)) for reason in row.values] if row else []


def summed(seconds: Sequence[Second]) -> Summary:
    """What can be had of the seconds alone: no quantile, no cost."""
    sent, answered, dropped, failed, late = (
        sum(getattr(second, name) for second in seconds) for name in ("sent", "answered", "dropped", "failed", "late")
    )
    share = (answered - late) / sent if sent else None
    return Summary(sent, answered, dropped, failed, share, None, None, None, None, None, None)


def load_run(document: Path | None, per_second: Path | None, objective: Objective, title: str) -> Run:
    """A load test of its document, its seconds, or both."""
    seconds = read_seconds(per_second) if per_second else ()
    notes = []
    if document is not None:
        totals = summary(parse(read_text(document), str(document)), "sent")
        if per_second is None:
            notes.append("No per-second file beside the totals: ipa load --per-second FILE.csv writes it.")
        elif sum(second.sent for second in seconds) != totals.sent:
            raise UsageError(f"{document}: sent: {totals.sent} is not the sum of {per_second}: not of one load")
    else:
        totals = summed(seconds)
        notes.append("Only the seconds are known: ipa load --output json beside them has the quantiles and the cost.")
    if objective.latency_s is None:
        notes.append("The SLO was not recorded with the load: --config CONFIG names it.")
    return Run(
        kind="load test",
        title=title,
        source=", ".join(str(path) for path in (document, per_second) if path),
        objective=objective,
        policies=(PolicyRun("load", 0, totals, seconds, ()),),
        duration_s=seconds[-1].second + 1.0 if seconds else 0.0,
        notes=tuple(notes),
    )
