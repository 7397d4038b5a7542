"""`ipa forecast compare`: predictors of the load, judged by a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output

forecast = typer.Typer(help="Predictors of the load: compare them.", no_args_is_help=True, rich_markup_mode=None)


@forecast.command()
def compare(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="As in ipa load, FILE@START:END …", show_default=False)],
    predictor: Annotated[
        str | None, typer.Option(metavar="P,…", help="Which predictors; default: all.", show_default=False)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="P=FILE", help="What P was trained to, repeatable; default: what comes with ipa."),
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(metavar="START:END", help="Seconds to judge by; default: the last third.")
    ] = None,
    horizon: Annotated[str, typer.Option(metavar="T,…", help="How far ahead.")] = "20s",
    damping: Annotated[str, typer.Option(metavar="N,…", help="Divide each second's count by N.")] = "1",
    window: Annotated[str, typer.Option(metavar="T", help="How much of the past is shown.")] = "120s",
    every: Annotated[str, typer.Option(metavar="T", help="Time between forecasts.")] = "10s",
    quantile: Annotated[float, typer.Option(help="The share of loads that a bound is to cover.")] = 0.9,
    against: Annotated[
        str | None, typer.Option(metavar="P", help="Whom the others' errors are compared with; default: the last.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the arrivals.")] = 0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf.")] = None,
    output: Output = "table",
) -> None:
    """Compare predictors on the held-out part of a trace.

    All see the same windows; those that touch a gap of the trace are left out.
    """
    import time

    from ipa.adapters.predictor_files import predictors_named
    from ipa.adapters.trace_files import load_trace
    from ipa.cli.planning import each_once
    from ipa.forecast.questions import ask_all, questions
    from ipa.report import forecast as report
    from ipa.report.console import watched
    from ipa.report.output import emit
    from ipa.report.pictures import check_plot_file
    from ipa.workload.description import trace_counts

    if plot is not None:
        check_plot_file(plot)
    chosen = predictors_named(None if predictor is None else each_once("--predictor", predictor), model or [])
    asked = questions(
        list(chosen),
        horizons=each_once("--horizon", horizon),
        dampings=each_once("--damping", damping),
        window=window,
        every=every,
        held_out=held_out,
        quantile=quantile,
        against=against,
    )
    counts = trace_counts(load_trace(trace), seed)
    answers = list(watched(ask_all(asked, chosen, counts, time.process_time), len(asked), "compared"))
    document = report.document(trace, answers)
    if plot is not None:
        report.plot(document, plot)
    emit(document, output, lambda: report.print_table(document))
