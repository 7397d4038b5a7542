"""`ipa serve`: the pipeline on this machine."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    config: Annotated[Path, typer.Argument(help="The pipeline's YAML file.")],
    port: Annotated[
        int, typer.Option(help="Where the pipeline listens; 0 takes any free port.", min=0, max=65535)
    ] = 8080,
    grpc_port: Annotated[
        int | None,
        typer.Option(
            help="Where it listens for gRPC; default 8081, or any free port if --port is 0.", min=0, max=65535
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Start with the plan for this many requests/s; default 10.")
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="Start with this plan file instead.")] = None,
    until_stdin_ends: Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)] = False,
) -> None:
    """Serve the pipeline on this machine.

    Model servers and router, until it is stopped (^C).
    """
    from ipa.adapters.files import read_plan
    from ipa.adapters.serving.lifeline import terminate_at_end_of_stdin
    from ipa.adapters.serving.run import Ports, serve_plan
    from ipa.adapters.serving.servable import check_servable
    from ipa.cli.loading import load_config
    from ipa.cli.planning import plan_for
    from ipa.errors import UsageError
    from ipa.report.console import stderr_console

    if grpc_port is None:
        grpc_port = 8081 if port else 0
    if port == grpc_port != 0:
        raise UsageError(f"--port and --grpc-port are both {port}: give each its own")
    if plan is not None and rate is not None:
        raise UsageError("--rate and --plan: give one of them, a plan file holds for every rate")
    if until_stdin_ends:
        terminate_at_end_of_stdin()
    settings = load_config(config)
    check_servable(settings, str(config))
    chosen = plan_for(settings, 10.0 if rate is None else rate) if plan is None else read_plan(plan, settings.pipeline)
    console = stderr_console()
    for a in chosen.allocations:
        cores = f"{a.cores} core{'s' if a.cores != 1 else ''} each"
        console.print(f"{a.stage}: {a.replicas} × {a.variant}, {cores} ({a.hardware}), batch {a.batch}")
    raise typer.Exit(serve_plan(settings, chosen, Ports(port, grpc_port), console.print))
