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
        str,
        typer.Option(
            metavar="P,…", help="Those of ipa solve, static-mean, static-peak, hpa, kpa, oracle; several by commas."
        ),
    ] = "auto",
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Simulate this plan (JSON or YAML), never changed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the arrivals, the branches and the service times.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="So many seeds, from --seed on: a row each.")] = 1,
    interval: Annotated[
        str | None,
        typer.Option(metavar="T,…", help="Times between decisions, as in 10s,30s; default: control.interval."),
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
    from ipa.adapters.simulation_files import check_folder, save_runs
    from ipa.adapters.trace_files import load_trace
    from ipa.cli.loading import load_config
    from ipa.cli.planning import NoFeasiblePlanError
    from ipa.durations import positive_duration_s
    from ipa.report import simulate as report
    from ipa.report.output import emit, write_csv
    from ipa.simulation.backtest import Run, row
    from ipa.simulation.comparison import compare, fixed, with_regret

    if save is not None:
        check_folder(save, force=force)
    settings = load_config(config)
    arrivals = load_trace(trace)
    chosen = range(seed, seed + seeds)
    if plan is not None:
        found: list[Run | str] = list(fixed(settings, arrivals, read_plan(plan, settings.pipeline), chosen, service))
    else:
        names = [name.strip() for name in policy.split(",")]
        given = [positive_duration_s("--interval", each.strip()) for each in interval.split(",")] if interval else []
        found = list(compare(settings, arrivals, names, given or [settings.control.interval_s], chosen, service))
    runs = [each for each in found if not isinstance(each, str)]
    refused = [each for each in found if isinstance(each, str)]
    rows = with_regret([row(each) for each in runs])
    document = report.document(trace, rows)
    emit(
        document,
        output,
        lambda: report.print_table(settings, rows),
        lambda: write_csv(report.COLUMNS, document["policies"]),
    )
    if save is not None:
        save_runs(save, document | report.setting(settings, arrivals.duration_s), runs)
    if refused:
        raise NoFeasiblePlanError("; ".join(dict.fromkeys(refused)))
