"""`ipa adapt`: the loop that keeps a running pipeline at its best plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output, PolicyName


def adapt(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
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
        Path | None, typer.Option(metavar="FILE", help="One JSON line a decision; default: in the run's state folder.")
    ] = None,
    output: Output = "table",
) -> None:
    """Keep the pipeline at its best plan.

    Every interval: observe, forecast, solve, compare, apply; starts the pipeline first if nothing runs.
    """
    import signal
    from contextlib import ExitStack, closing
    from dataclasses import replace
    from functools import partial

    from ipa.adapters.clock import SystemClock
    from ipa.adapters.journal import Journal
    from ipa.adapters.local_cluster import LocalCluster, RouterMonitor
    from ipa.adapters.local_run import running, running_or_started
    from ipa.adapters.state import state_folder
    from ipa.cli.choosing import looking
    from ipa.cli.loading import load_config
    from ipa.control import Loop
    from ipa.durations import positive_duration_s
    from ipa.policy import policy_of
    from ipa.policy.fixed import seen_by
    from ipa.policy.solution import TIME_LIMIT_S
    from ipa.report.adapt import document, dry, view
    from ipa.tuner import tuner_of

    settings = load_config(config)
    if interval is not None:
        control = replace(settings.control, interval_s=positive_duration_s("--interval", interval))
        settings = replace(settings, control=control)
    # A decision that is not proven after half an interval is taken as it is: the next one comes soon.
    limit_s = min(TIME_LIMIT_S, settings.control.interval_s / 2)
    choose = policy_of(policy, settings, limit_s)
    certify = looking(settings, policy, choose, limit_s)
    duration_s = positive_duration_s("--duration", duration) if duration else None
    name = settings.pipeline.name
    signal.signal(signal.SIGTERM, _terminate)
    with ExitStack() as stack:
        if dry_run:
            state = running(name)
        else:
            state = stack.enter_context(running_or_started(name, config, (port, grpc_port), rate, keep=keep))
        cluster = stack.enter_context(closing(LocalCluster(state)))
        monitor = stack.enter_context(closing(RouterMonitor(state)))
        record = stack.enter_context(closing(Journal(journal or state_folder(name) / "decisions.jsonl")))
        clock = SystemClock()
        apply = dry if dry_run else cluster.apply
        seen = partial(seen_by, policy)
        tuner = tuner_of(settings)
        loop = Loop(
            settings, choose, cluster, monitor, clock, apply, seen=seen, certify=certify, tuner=tuner, traffic=monitor
        )
        shown = view(name, output)
        stack.enter_context(shown.running())
        until_s = clock.now_s() if once else clock.now_s() + duration_s if duration_s is not None else None
        for turn in loop.turns(until_s):
            record.append(document(name, turn))
            shown.show(turn)


def _terminate(*_: object) -> None:
    raise SystemExit(0)
