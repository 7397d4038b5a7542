"""`ipa load`: open-loop load on a pipeline, with honest latencies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ipa.cli.options import Output


def load(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    trace: Annotated[
        str,
        typer.Option(
            metavar="T",
            help="constant:20x60s, poisson:20x60s, gamma:20:cv4x60s, FILE or FILE@START:END/DAMPING, each with *SPEED; "
            "joined by +.",
            show_default=False,
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(metavar="U", help="http://HOST:PORT or grpc://HOST:PORT; default: the local run."),
    ] = None,
    protocol: Annotated[
        Literal["http", "grpc"] | None, typer.Option(help="Default: what the URL says, else http.")
    ] = None,
    payload: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Inputs and labels (.npz), repeatable; default: load.payload of the config."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the arrivals and of the samples' order.")] = 0,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="T", help="Longest wait for an answer, as in 30s; default: 4 × SLO, at least 30s."),
    ] = None,
    warm_up: Annotated[
        str, typer.Option(metavar="T", help="Send the first T of the trace beforehand, not counted, as in 5s.")
    ] = "0s",
    connections: Annotated[int, typer.Option(min=1, max=10_000, help="Most requests in flight.")] = 256,
    per_second: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what became of each second as .csv.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw latency by percentile, .png, .svg or .pdf.")
    ] = None,
    output: Output = "table",
) -> None:
    """Send a trace; say what became of it.

    Open loop: requests leave at their own pace, whatever the answers.
    """
    from dataclasses import asdict

    from ipa.adapters.files import load_config_unmeasured
    from ipa.adapters.load_files import check_per_second_file, write_per_second
    from ipa.adapters.load_target import encode_bodies, find_target, send
    from ipa.adapters.loadgen import Load, sample_order, schedule
    from ipa.adapters.payload import read_payloads
    from ipa.adapters.serving.runtimes import RUNTIMES
    from ipa.adapters.trace_files import load_trace
    from ipa.durations import duration_s, positive_duration_s
    from ipa.report import load as report
    from ipa.report.load_plot import plot as draw
    from ipa.report.output import emit
    from ipa.report.pictures import check_plot_file
    from ipa.workload.per_second import per_second as seconds_of
    from ipa.workload.summary import summarise

    if per_second is not None:
        check_per_second_file(per_second)
    if plot is not None:
        check_plot_file(plot)
    settings = load_config_unmeasured(config)
    slo_s = settings.pipeline.slo.latency_s
    timeout_s = max(4 * slo_s, 30.0) if timeout is None else positive_duration_s("--timeout", timeout)
    warm_up_s = duration_s("--warm-up", warm_up)
    intended_s = schedule(load_trace(trace), seed)
    payloads = read_payloads(payload or [], settings.payload, RUNTIMES[settings.serving.runtime].payload)
    target = find_target(settings.pipeline.name, url, protocol)
    bodies, warning = encode_bodies(target, payloads)
    report.warn(warning)

    samples = sample_order(len(bodies), len(intended_s), seed)
    with report.progress(len(intended_s)) as progress:
        requests = Load(intended_s, samples, bodies, timeout_s, connections)
        result, core_seconds = send(target, requests, warm_up_s, progress)
    summary = summarise(result, slo_s, core_seconds)
    emit(asdict(summary), output, lambda: report.print_table(summary))
    report.warn(report.late_generator(summary))
    report.warn(report.few_connections(result, connections))
    if per_second is not None:
        write_per_second(per_second, seconds_of(result, slo_s))
    if plot is not None:
        draw(settings.pipeline.name, result, slo_s, plot)
    if result.interrupted:
        raise typer.Exit(130)
