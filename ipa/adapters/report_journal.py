"""decisions.jsonl of `ipa adapt`, or of one policy of a simulation → decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from ipa.adapters.report_cells import Cells, parse
from ipa.errors import UsageError
from ipa.ports import Outcome
from ipa.report.html.quantities import plural
from ipa.report.html.story import Decision, Objective, PolicyRun, Run

# The journal of a pipeline is appended to from run to run; a pause this much longer than a turn parts two of them.
_PAUSE_TURNS, _PAUSE_S = 10, 300.0


@dataclass(frozen=True, slots=True)
class JournalLines:
    """`pipelines`: whose line each is; `partial`: the last line was not whole and is left out."""

    pipelines: tuple[str, ...]
    decisions: tuple[Decision, ...]
    partial: bool


def read_journal(path: Path) -> JournalLines:
    """at_s as recorded: seconds of the epoch, or of the trace. Raises UsageError for a broken line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return journal_lines(data, str(path))


def journal_lines(data: bytes, where: str) -> JournalLines:
    """As read_journal, of what stands in `where`."""
    *lines, last = data.split(b"\n")
    found = [_line(line, f"{where}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    # Each line is written with its end: one without is being written, or its writer was killed.
    partial = bool(last.strip())
    if partial:
        try:
            found.append(_line(last, f"{where}:{len(lines) + 1}"))
            partial = False
        except UsageError:
            pass  # said in the report
    return JournalLines(tuple(name for name, _ in found), tuple(decision for _, decision in found), partial)


def _line(line: bytes, where: str) -> tuple[str, Decision]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: is not UTF-8 text") from error
    row = parse(text, where)
    outcome = row.object("outcome")
    decision = Decision(
        at_s=_at_s(row),
        reason=row.text("reason"),
        rate_rps=row.amount("rate_rps"),
        forecast_rps=row.amount("forecast_rps"),
        live=row.plan("live"),
        wanted=row.plan("wanted"),
        objective=row.number("objective"),
        accuracy=row.amount("accuracy"),
        latency_s=row.amount("latency_s"),
        cost_cores=row.amount("cost_cores"),
        apply=row.plan("apply"),
        changes=tuple(change.change() for change in row.objects("changes")),
        outcome=_outcome(outcome) if outcome else None,
    )
    return (row.text("pipeline") if "pipeline" in row.values else ""), decision


def _outcome(row: Cells) -> Outcome:
    if not isinstance(row.values.get("applied"), bool):
        raise row.wrong("applied", "is not true or false")
    return Outcome(row.values["applied"], row.amount("seconds") or 0.0, str(row.values.get("detail") or ""))


def _at_s(row: Cells) -> float:
    """`at_s`, else `at` as ISO 8601 with its zone."""
    at_s = row.amount("at_s")
    if at_s is not None:
        return at_s
    try:
        at = datetime.fromisoformat(row.text("at"))
    except ValueError as error:
        raise row.wrong("at", "is not a time in ISO 8601") from error
    if at.tzinfo is None:
        raise row.wrong("at", "has no time zone")
    return at.timestamp()


def journal_run(path: Path, objective: Objective) -> Run:
    """The last run that the journal holds. Raises UsageError if it holds none."""
    read = read_journal(path)
    if not read.decisions:
        raise UsageError(f"{path}: holds no whole decision yet")
    name = read.pipelines[-1]
    own = [d for of, d in zip(read.pipelines, read.decisions, strict=True) if of == name]
    turns, earlier = _last_run(sorted(own, key=lambda d: d.at_s))
    notes = ["The last line is not whole, as if just being written: left out."] if read.partial else []
    if len(own) < len(read.decisions):
        notes.append(f"{plural(len(read.decisions) - len(own), 'turn')} of other pipelines left out.")
    if earlier:
        notes.append(f"{plural(earlier, 'turn')} of earlier runs in this journal left out.")
    notes.append("A journal holds what was decided, not the latencies that came of it: ipa load measures them.")
    start_s = turns[0].at_s
    return Run(
        kind="adapt journal",
        title=name or path.stem,
        source=str(path),
        objective=objective,
        policies=(PolicyRun("adapt", 0, None, (), from_start(turns, start_s)),),
        start=datetime.fromtimestamp(start_s).astimezone() if start_s > 0 else None,
        duration_s=turns[-1].at_s - start_s + _interval_s(turns),
        notes=tuple(notes),
    )


def from_start(turns: Sequence[Decision], start_s: float) -> tuple[Decision, ...]:
    return tuple(replace(turn, at_s=turn.at_s - start_s) for turn in turns)


def _interval_s(turns: Sequence[Decision]) -> float:
    """The usual time between two turns; 1 if there is but one."""
    return median(after.at_s - before.at_s for before, after in pairwise(turns)) if len(turns) > 1 else 1.0


def _last_run(turns: Sequence[Decision]) -> tuple[Sequence[Decision], int]:
    """(the turns after the last long pause, how many were before it)."""
    pause_s = max(_PAUSE_S, _PAUSE_TURNS * _interval_s(turns))
    pauses = [i for i in range(1, len(turns)) if turns[i].at_s - turns[i - 1].at_s > pause_s]
    first = pauses[-1] if pauses else 0
    return turns[first:], first
