"""`ipa profile`: measure variants on real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output


def profile(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    stage: Annotated[str | None, typer.Option(metavar="S", help="Only this stage.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="V", help="Only this variant.")] = None,
    batches: Annotated[
        str | None,
        typer.Option(metavar="1,2,4", help="Batch sizes; default: the config's, else powers of two up to 64."),
    ] = None,
    cores: Annotated[str, typer.Option(metavar="1,2", help="Cores a replica gets.")] = "1",
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest time for one point.")] = 60.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure points again that are in the profile.")] = False,
    visits: Annotated[
        bool,
        typer.Option("--visits", help="Instead: how often each stage of the running pipeline was visited so far."),
    ] = False,
    output: Output = "table",
) -> None:
    """Measure every variant on real servers.

    Latency and throughput of every variant, batch and core count; writes measurements.csv.
    """
    from datetime import date

    from ipa.adapters.files import load_config_unmeasured
    from ipa.adapters.profile_files import key_of, read_measurements
    from ipa.adapters.profile_scope import Scope, check, jobs_of, machine, parse_sizes, without
    from ipa.adapters.profiler import profile as measure
    from ipa.report import profile as report
    from ipa.report.output import emit

    if visits:
        _visits(config, output)
        return
    sizes = parse_sizes("--batches", batches) if batches is not None else ()
    scope = Scope(stage, variant, sizes, parse_sizes("--cores", cores))
    settings = load_config_unmeasured(config)
    file = settings.profiles / "measurements.csv"
    asked = jobs_of(settings.pipeline, scope)
    present = {key_of(row) for row in read_measurements(file).rows}
    jobs = asked if fresh else without(asked, present)
    check(settings, jobs)
    total = sum(len(job.batches) for job in jobs)
    skipped = sum(len(job.batches) for job in asked) - total
    source = f"measured@{date.today().isoformat()}-{machine()}"
    try:
        with report.progress(total, skipped) as screen:
            points = measure(settings, jobs, max_seconds, source, screen)
    except KeyboardInterrupt:
        report.interrupted(file)
        raise typer.Exit(130) from None
    document = report.document(settings.pipeline.name, file, points, skipped)
    emit(document, output, lambda: report.print_table(file, points, skipped))


def _visits(config: Path, output: str) -> None:
    from dataclasses import asdict

    from ipa.adapters.files import load_config_unmeasured
    from ipa.adapters.local_run import running
    from ipa.adapters.visits import read_visits
    from ipa.report import visits as report
    from ipa.report.output import emit

    pipeline = load_config_unmeasured(config).pipeline
    document = {"pipeline": pipeline.name, **asdict(read_visits(running(pipeline.name), pipeline))}
    emit(document, output, lambda: report.table(document))
