"""`ipa adapt`: the loop that keeps a running pipeline at its best plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output, PolicyName


def adapt(
    config: Annotated[
        list[Path], typer.Argument(help="Pipeline configs (YAML); several run in one process.", show_default=False)
    ],
    interval: Annotated[
        str | None, typer.Option(metavar="T", help="Time between decisions, as in 10s; default: control.interval.")
    ] = None,
    policy: PolicyName = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and record; touch nothing.")] = False,
    once: Annotated[bool, typer.Option("--once", help="One decision, then stop.")] = False,
    duration: Annotated[str | None, typer.Option(metavar="T", help="Stop after this time, as in 5m.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave running what this command started.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where a pipeline started by this listens.")] = 8080,
    grpc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Where it listens for gRPC; as in ipa serve.", show_default=False),
    ] = None,
    rate: Annotated[float, typer.Option(min=0, metavar="R", help="Plan to start with if nothing runs.")] = 10.0,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One JSON line a decision; default: where the pipeline runs.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Where /metrics, /healthz and /readyz are; default: nowhere."),
    ] = None,
    output: Output = "table",
) -> None:
    """Keep the pipeline at its best plan.

    Every interval: observe, forecast, solve, compare, apply; starts the pipeline first if nothing runs.
    """
    from ipa.adapters.clusters import Terms, controlled
    from ipa.cli.adapting import chooser_for, courses, run_all, with_interval
    from ipa.cli.planning import load_all
    from ipa.cli.signals import exit_on_sigterm, stopped_by_signals
    from ipa.durations import positive_duration_s
    from ipa.report.adapt import running, views

    settings = with_interval(load_all(config), interval)
    choosers = [chooser_for(each, policy) for each in settings]
    duration_s = positive_duration_s("--duration", duration) if duration else None
    exit_on_sigterm()
    clock = stopped_by_signals(settings)
    terms = Terms(dry_run, once, keep, (port, grpc_port), rate, journal, metrics_port, clock)
    shown = views([each.pipeline.name for each in settings], output)
    with controlled(dict(zip(config, settings, strict=True)), terms) as found, running(shown):
        run_all(courses(choosers, found, 0.0 if once else duration_s, shown), clock)
