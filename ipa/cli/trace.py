"""`ipa trace info|cut|make`: look at traces, cut and make them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipa.cli.options import Output

if TYPE_CHECKING:
    from ipa.workload.counts import Counts

trace = typer.Typer(
    help="Look at traces of requests per second, cut and make them.", no_args_is_help=True, rich_markup_mode=None
)

Out = Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .csv, else text.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the arrivals.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite OUT.")]


@trace.command()
def info(
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE",
            help="poisson:20x60s, FILE or FILE@START:END/DAMPING, each with *SPEED; joined by +.",
            show_default=False,
        ),
    ],
    seed: Seed = 0,
    output: Output = "table",
) -> None:
    """Say how much a trace asks, and how evenly.

    dispersion: variance / mean of the counts per second (Poisson 1); gaps: runs of seconds without a request.
    """
    from dataclasses import asdict

    from ipa.adapters.trace_files import load_trace
    from ipa.report.output import emit
    from ipa.report.trace import print_table
    from ipa.workload.description import describe

    document = {"trace": trace, **asdict(describe(load_trace(trace), seed))}
    emit(document, output, lambda: print_table(document))


@trace.command()
def cut(
    trace: Annotated[str, typer.Argument(metavar="FILE@START:END/DAMPING", show_default=False)],
    out: Out,
    force: Force = False,
    output: Output = "table",
) -> None:
    """Write a slice of a trace file as counts per second."""
    from ipa.adapters.trace_files import cut_counts

    _write(out, force, output, lambda: cut_counts(trace))


@trace.command()
def make(
    expression: Annotated[
        str,
        typer.Argument(metavar="EXPR", help="Any trace, as in poisson:20x60s+gamma:20:cv4x60s.", show_default=False),
    ],
    out: Out,
    seed: Seed = 0,
    force: Force = False,
    output: Output = "table",
) -> None:
    """Write any trace as counts per second."""
    from ipa.adapters.trace_files import load_trace
    from ipa.workload.description import trace_counts

    _write(out, force, output, lambda: trace_counts(load_trace(expression), seed))


def _write(out: Path, force: bool, output: str, counts_of: Callable[[], Counts]) -> None:
    """Refuses a bad OUT before the counts are made, and says what was written."""
    from ipa.adapters.trace_files import check_out, refuse_existing, write_counts
    from ipa.report.output import emit
    from ipa.report.trace import print_table

    check_out(out)
    if not force:
        refuse_existing(out)
    counts = counts_of()
    write_counts(out, counts)
    document = {"file": str(out), "seconds": len(counts), "requests": int(counts.sum())}
    emit(document, output, lambda: print_table(document))
