"""`ipa profile` on the screen: progress while it measures, then what was measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ipa.latency.sampling import Sampled
from ipa.report.console import stderr_console, stdout_console

if TYPE_CHECKING:
    from rich.progress import Progress


class Screen(Protocol):
    def starting(self, stage: str, variant: str, cores: int) -> None: ...

    def measured(self, point: Sampled) -> None: ...


def document(pipeline: str, file: Path, points: Sequence[Sampled], skipped: int) -> dict[str, Any]:
    """{pipeline, file, skipped, points: [{a row of measurements.csv, precision, settled}]}."""
    rows = [{**asdict(p.measurement), "precision": p.precision, "settled": p.settled} for p in points]
    return {"pipeline": pipeline, "file": str(file), "skipped": skipped, "points": rows}


def print_table(file: Path, points: Sequence[Sampled], skipped: int) -> None:
    from rich.table import Table

    console = stdout_console()
    if points:
        table = Table(title="latency of a batch in ms", title_justify="left")
        for column in ("stage", "variant"):
            table.add_column(column, overflow="fold")
        for column in ("cores", "batch", "mean", "p50", "±", "p99", "rps"):
            table.add_column(column, justify="right")
        for point in points:
            table.add_row(*_cells(point))
        console.print(table)
    console.print(
        f"{len(points)} measured, {skipped} present before: {file}", soft_wrap=True, highlight=False, markup=False
    )


def interrupted(file: Path) -> None:
    rule = "without --fresh the same command goes on from there"
    print(f"interrupted: what was measured is in {file}; {rule}", file=sys.stderr)


@contextmanager
def progress(total: int, skipped: int) -> Iterator[Screen]:
    """On stderr: a bar in a terminal, else a line a point. Points that gave up are named in both."""
    if skipped:
        print(f"{skipped} point(s) are in the profile already; --fresh measures them again", file=sys.stderr)
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # No refresh thread: it would take its share of the interpreter while latencies are measured.
    with Progress(*columns, console=stderr_console(), auto_refresh=False, transient=True) as bar:
        yield _Bar(bar, total)


class _Lines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def starting(self, stage: str, variant: str, cores: int) -> None:
        print(f"starting {_server(stage, variant, cores)}", file=sys.stderr, flush=True)

    def measured(self, point: Sampled) -> None:
        self._done += 1
        m = point.measurement
        line = f"[{self._done}/{self._total}] {_server(m.stage, m.variant, m.cores)}, batch {m.batch}: "
        line += f"p50 {_ms(m.latency_p50_s)} ms, {m.throughput_rps:.4g} rps"
        print(line, file=sys.stderr, flush=True)
        if not point.settled:
            print(gave_up(point), file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._bar_task = bar.add_task("", total=total)

    def starting(self, stage: str, variant: str, cores: int) -> None:
        self._bar.update(self._bar_task, description=_server(stage, variant, cores), refresh=True)

    def measured(self, point: Sampled) -> None:
        self._bar.update(self._bar_task, advance=1, refresh=True)
        if not point.settled:
            self._bar.console.print(gave_up(point), soft_wrap=True)


def gave_up(point: Sampled) -> str:
    m = point.measurement
    known = "not known to any precision" if point.precision is None else f"known to ±{point.precision:.1%}"
    repeats = (m.requests or 0) // m.batch
    return (
        f"warning: {_server(m.stage, m.variant, m.cores)}, batch {m.batch}: time ran out after {repeats} repeat(s), "
        f"p50 is {known}; --max-seconds allows more"
    )


def _cells(point: Sampled) -> tuple[str, ...]:
    m = point.measurement
    precision = "?" if point.precision is None else f"{point.precision:.1%}"
    return (
        m.stage,
        m.variant,
        str(m.cores),
        str(m.batch),
        _ms(m.latency_mean_s),
        _ms(m.latency_p50_s),
        precision if point.settled else f"{precision} gave up",
        _ms(m.latency_p99_s),
        f"{m.throughput_rps:.4g}",
    )


def _server(stage: str, variant: str, cores: int) -> str:
    return f"{stage}/{variant} with {cores} core{'' if cores == 1 else 's'}"


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.4g}"
