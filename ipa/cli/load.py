"""`ipa load`: open-loop load on a pipeline, with honest latencies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def load(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    trace: Annotated[
        str,
        typer.Option(
            metavar="T",
            help="constant:20x60s, poisson:20x60s, gamma:20:cv4x60s, FILE or FILE@START:END/DAMPING; joined by +.",
            show_default=False,
        ),
    ],
    url: Annotated[
        str | None, typer.Option(metavar="U", help="Where the pipeline is served; default: the local run.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the arrivals and of the samples' order.")] = 0,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="T", help="Longest wait for an answer, as in 30s; default: 4 × SLO, at least 30s."),
    ] = None,
    warm_up: Annotated[int, typer.Option(min=0, help="Requests sent first, not counted.")] = 5,
    output: Annotated[Literal["table", "json", "yaml"], typer.Option()] = "table",
) -> None:
    """Send a trace; say what became of it.

    Open loop: requests leave at their own pace, whatever the answers.
    """
    from dataclasses import asdict

    from ipa.adapters.files import load_config_unmeasured
    from ipa.adapters.load_target import core_seconds, encode_bodies, find_target
    from ipa.adapters.loadgen import Load, run_load, sample_order
    from ipa.adapters.payload import read_payload
    from ipa.adapters.trace_files import load_trace
    from ipa.durations import positive_duration_s
    from ipa.report import load as report
    from ipa.report.output import emit
    from ipa.workload.summary import spent, summarise
    from ipa.workload.trace import arrival_times

    settings = load_config_unmeasured(config)
    name, slo_s = settings.pipeline.name, settings.pipeline.slo.latency_s
    timeout_s = max(4 * slo_s, 30.0) if timeout is None else positive_duration_s("--timeout", timeout)
    intended_s = arrival_times(load_trace(trace), seed)
    payload = read_payload(settings.payload)
    target = find_target(name, url)
    bodies, warning = encode_bodies(target, name, payload)
    report.warn(warning)
    samples = sample_order(len(payload.inputs), len(intended_s), seed)

    before = core_seconds(target)
    with report.progress(len(intended_s)) as progress:
        result = run_load(
            Load(target.url, name, intended_s, samples, bodies, payload.labels, timeout_s, warm_up), progress
        )
    summary = summarise(result, slo_s, spent(before, core_seconds(target)))
    emit(asdict(summary), output, lambda: report.print_table(summary))
    report.warn(report.late_generator(summary))
    if result.interrupted:
        raise typer.Exit(130)
