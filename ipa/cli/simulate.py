"""`ipa simulate`: the loop, or a plan, through a trace on virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def simulate(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    trace: Annotated[
        str,
        typer.Option(metavar="T", help="As in ipa load: poisson:20x60s, FILE@START:END/DAMPING …", show_default=False),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="P,…",
            help="Those of ipa solve, static-mean, static-peak, hpa, kpa, oracle; several by commas; default: auto.",
        ),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Simulate this plan (JSON or YAML), never changed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the arrivals, the branches and the service times.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="So many seeds, from --seed on: a row each.")] = 1,
    interval: Annotated[
        str | None,
        typer.Option(metavar="T,…", help="Times between decisions, as in 10s,30s; default: control.interval."),
    ] = None,
    predictor: Annotated[
        str | None,
        typer.Option(metavar="P[@Q],…", help="Who forecasts, as in ewma,lightgbm@0.9; default: the config's forecast."),
    ] = None,
    service: Annotated[
        Literal["mean", "quantiles"], typer.Option(help="A batch takes the profile's mean, or a draw of its quantiles.")
    ] = "mean",
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write seconds and decisions of every run, for ipa report.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is in FOLDER.")] = False,
    output: Annotated[Literal["table", "json", "yaml", "csv"], typer.Option()] = "table",
) -> None:
    """Run policies through a trace on virtual time and compare them.

    Request by request through the queues of the router, with service times of the profile. Replicas are warm at the
    start; after the trace the queues drain.
    """
    from ipa.adapters.files import read_plan
    from ipa.adapters.predictor_files import forecast_with
    from ipa.adapters.simulation_files import open_folder, save_document, save_run
    from ipa.adapters.trace_files import load_trace
    from ipa.cli.loading import load_config
    from ipa.cli.planning import NoFeasiblePlanError, each_once
    from ipa.durations import positive_duration_s
    from ipa.errors import UsageError
    from ipa.report import simulate as report
    from ipa.report.console import watched
    from ipa.report.load import warn
    from ipa.report.output import emit, write_csv
    from ipa.simulation.backtest import Row, Run, row
    from ipa.simulation.comparison import cases, compare, fixed, ways_to_run, with_regret

    if plan is not None and any(each is not None for each in (policy, interval, predictor)):
        raise UsageError("--plan is simulated as it is: leave --policy, --interval and --predictor out")
    settings = load_config(config)
    arrivals = load_trace(trace)
    chosen = range(seed, seed + seeds)
    names = each_once("--policy", "auto" if policy is None else policy)
    paces = [] if interval is None else each_once("--interval", interval)
    given = [positive_duration_s("--interval", each) for each in paces] or [settings.control.interval_s]
    asked = [] if predictor is None else each_once("--predictor", predictor)
    if save is not None and len(asked) > 1:
        raise UsageError(f"--save {save}: keeps the runs of one predictor, not of {len(asked)}")
    ways = ways_to_run(settings, [forecast_with(settings.forecast, each) for each in asked], given)
    found = (
        compare(ways, arrivals, names, chosen, service)
        if plan is None
        else fixed(settings, arrivals, read_plan(plan, settings.pipeline), chosen, service)
    )
    if save is not None:
        open_folder(save, force=force)
    warn(None if plan is not None else report.unknown_starts(settings.pipeline))

    def taken(each: Run | str) -> Row | str:
        """What is shown of a run, which may be large: no two are held at a time."""
        if isinstance(each, str):
            return each
        if save is not None:
            save_run(save, each, several_intervals=len(given) > 1)
        return row(each)

    total = seeds if plan is not None else len(cases(names, ways, chosen))
    done = list(watched(map(taken, found), total, "simulated"))
    refused = "; ".join(dict.fromkeys(each for each in done if isinstance(each, str)))
    rows = with_regret([each for each in done if not isinstance(each, str)])
    document = report.document(trace, rows, refused or None)
    emit(
        document,
        output,
        lambda: report.print_table(settings, rows),
        lambda: write_csv(report.COLUMNS, document["policies"]),
    )
    if save is not None:
        save_document(save, document | report.setting(settings, arrivals.duration_s))
    if refused:
        raise NoFeasiblePlanError(refused)
