"""`ipa forecast train|compare`: predictors of the load, trained on a trace and judged by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ipa.cli.options import Output

forecast = typer.Typer(
    help="Predictors of the load: train and compare them.", no_args_is_help=True, rich_markup_mode=None
)


@forecast.command()
def train(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="As in ipa load, FILE@START:END …", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Model file to write, .json.gz.", show_default=False)
    ],
    predictor: Annotated[Literal["lightgbm", "lstm"], typer.Option(help="What to train.")] = "lightgbm",
    train: Annotated[
        str | None, typer.Option("--train", metavar="START:END", help="Seconds to train on; default: two thirds.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the arrivals and of the training.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    output: Output = "table",
) -> None:
    """Train a predictor on a part of a trace.

    The last fifth of it is held back: it says when to stop, and how far forecasts fall from the truth. One seed, one
    model. lightgbm needs the extra `forecast`, lstm the extra `lstm`; using a model file needs neither.
    """
    from ipa.adapters.predictor_files import write_model
    from ipa.adapters.trace_files import check_place, load_trace, refuse_existing
    from ipa.forecast.training import TRAINERS
    from ipa.forecast.training.held_back import split_of
    from ipa.report.output import emit
    from ipa.report.trace import print_table
    from ipa.workload.description import trace_counts

    check_place(out)
    if not force:
        refuse_existing(out)
    counts = trace_counts(load_trace(trace), seed)
    model = TRAINERS[predictor](counts, split_of(train, len(counts)), seed)
    document = write_model(out, model)
    emit(document, output, lambda: print_table(document))


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
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="The FILEs of --model were trained on another trace.")
    ] = False,
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

    from ipa.adapters.predictor_files import contenders
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
    names = None if predictor is None else each_once("--predictor", predictor)
    chosen = contenders(names, model or [], elsewhere=elsewhere)
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
    answers = list(watched(ask_all(asked, chosen, counts, time.thread_time), len(asked), "compared"))
    document = report.document(trace, answers)
    if plot is not None:
        report.plot(document, plot)
    emit(document, output, lambda: report.print_table(document))
