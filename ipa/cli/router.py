"""`ipa router`: the data plane alone."""

from pathlib import Path
from typing import Annotated

import typer


def router(
    config: Annotated[Path, typer.Argument(help="The pipeline's YAML file.")],
    replica: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STAGE=HOST:PORT[/MODEL]",
            help="A server that runs and speaks V2 gRPC, repeatable; MODEL is STAGE by default.",
        ),
    ] = None,
    batch: Annotated[
        list[str] | None, typer.Option(metavar="STAGE=ROWS", help="Its largest batch, repeatable; default 1.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="Start with this route plan (JSON) instead; default: wait for PUT /plan.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where the pipeline listens; 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="For REST; 0 takes any free port.", min=0, max=65535)] = 8080,
    grpc_port: Annotated[
        int | None, typer.Option(help="For gRPC; default 8081, or any free port if --port is 0.", min=0, max=65535)
    ] = None,
    admin_port: Annotated[
        int,
        typer.Option(
            help="For plans, on loopback alone; in a cluster for metrics alone, on --host. 0 takes any free port.",
            min=0,
            max=65535,
        ),
    ] = 0,
) -> None:
    """Route the pipeline to servers that run already.

    MLServer, Triton, KServe runtimes: whatever speaks V2 gRPC. Until it is stopped (^C). The token of the admin port is
    $IPA_ADMIN_TOKEN, or a new one in a file of this user alone. With `cluster: {kind: kubernetes}` it follows the
    cluster's plan and endpoints, unless servers are named.
    """
    from ipa.adapters.files import load_config_as_measured
    from ipa.adapters.serving.named_replicas import named_plan
    from ipa.adapters.serving.router_foreground import Listen, follow_cluster, read_route_plan, run_router
    from ipa.adapters.serving.servable import check_routable
    from ipa.dataplane.running import Ports
    from ipa.errors import UsageError
    from ipa.report.console import stderr_console

    if not host:
        raise UsageError("--host: must be an address or a name; 0.0.0.0 is everywhere")
    ports = Ports(port, (8081 if port else 0) if grpc_port is None else grpc_port, admin_port)
    taken = [each for each in (ports.port, ports.grpc_port, ports.admin_port) if each]
    if len(set(taken)) < len(taken):
        raise UsageError(f"--port, --grpc-port and --admin-port are {', '.join(map(str, taken))}: give each its own")
    if plan is not None and (replica or batch):
        raise UsageError("--plan names the replicas and batches of every stage: give it, or --replica and --batch")
    if batch and not replica:
        raise UsageError("--batch goes with --replica; with PUT /plan the plan says it")
    settings = load_config_as_measured(config)
    check_routable(settings, str(config))
    at, say = Listen(host, ports), stderr_console().print
    if settings.cluster.kind == "kubernetes" and plan is None and not replica:
        follow_cluster(settings, at, say)
        return
    route = None
    if plan is not None:
        route = read_route_plan(plan, settings.pipeline)
    elif replica:
        route = named_plan(settings.pipeline, replica, batch or [])
    run_router(settings, route, at, say)
