"""`ipa load` on the screen: progress, the table of what became of the load, warnings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ipa.report.console import stderr_console, stdout_console
from ipa.workload.summary import LoadResult, LoadSummary

LATE_GENERATOR_S = 0.010


def print_table(summary: LoadSummary) -> None:
    from rich.table import Table
    from rich.text import Text  # a reason is the server's own words, and no markup

    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in asdict(summary).items():
        if isinstance(value, dict):  # the reasons of the drops and failures counted above, if there are any
            for reason, count in value.items():
                table.add_row(Text(f"{name}: {reason}"), f"{count:,}")
        else:
            table.add_row(name.removesuffix("_s").replace("_", " "), _pretty(name, value))
    stdout_console().print(table)


def late_generator(summary: LoadSummary) -> str | None:
    """A warning if the generator itself, not the server, was the limit."""
    lag_s = summary.send_lag_p99_s
    if lag_s is None or lag_s <= LATE_GENERATOR_S:
        return None
    return (
        f"1 % of the requests left {lag_s * 1000:.0f} ms late or later: this machine could not keep up with the trace, "
        "the latencies hold its own delay too"
    )


def few_connections(result: LoadResult, connections: int) -> str | None:
    """A warning if requests waited in the generator for others to be answered."""
    if result.waited == 0:
        return None
    return (
        f"{result.waited:,} requests found {connections} others in flight, the most --connections allows, and waited "
        "to be sent; their latencies count from the intended time all the same"
    )


def warn(message: str | None) -> None:
    """A warning on stderr, if there is one."""
    if message is not None:
        print(f"warning: {message}", file=sys.stderr)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, in a terminal only; call what it gives with the number of requests sent so far."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if not sys.stderr.isatty():
        yield _ignore
        return
    columns = (TextColumn("sent"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # no refresh thread: it would compete with the sender for the interpreter
    with Progress(*columns, console=stderr_console(), auto_refresh=False, transient=True) as bar:
        task = bar.add_task("sent", total=total)

        def show(sent: int) -> None:
            bar.update(task, completed=sent, refresh=True)

        yield show


def _ignore(_sent: int) -> None:
    """Nobody watches."""


def _pretty(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("_s"):
        return f"{value * 1000:.1f} ms"
    if name in ("slo_share", "accuracy"):
        return f"{value:.2%}"
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
