"""`ipa trace info|cut|make`: look at traces, cut and make them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

trace = typer.Typer(
    help="Look at traces of requests per second, cut and make them.", no_args_is_help=True, rich_markup_mode=None
)

Out = Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .csv, else text.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the arrivals.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite OUT.")]
Output = Annotated[Literal["table", "json", "yaml"], typer.Option()]


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
    from ipa.adapters.trace_files import check_out, cut_counts, refuse_existing, write_counts
    from ipa.report.output import emit
    from ipa.report.trace import print_table

    check_out(out)
    if not force:
        refuse_existing(out)
    counts = cut_counts(trace)
    write_counts(out, counts)
    document = {"file": str(out), "seconds": len(counts), "requests": int(counts.sum())}
    emit(document, output, lambda: print_table(document))


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
    from ipa.adapters.trace_files import check_out, load_trace, refuse_existing, write_counts
    from ipa.report.output import emit
    from ipa.report.trace import print_table
    from ipa.workload.description import trace_counts

    check_out(out)
    if not force:
        refuse_existing(out)
    counts = trace_counts(load_trace(expression), seed)
    write_counts(out, counts)
    document = {"file": str(out), "seconds": len(counts), "requests": int(counts.sum())}
    emit(document, output, lambda: print_table(document))
