"""`ipa replica`: one model server in the foreground; what a model's pod runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def replica(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    stage: Annotated[str, typer.Option(envvar="IPA_STAGE", show_default=False)],
    variant: Annotated[str, typer.Option(envvar="IPA_VARIANT", show_default=False)],
    cores: Annotated[int, typer.Option(envvar="IPA_CORES", min=1, help="Threads that it computes on.")] = 1,
    hardware: Annotated[str, typer.Option(help="As in the profile; where it runs is not looked at.")] = "cpu",
    host: Annotated[str, typer.Option(help="Where it listens; 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="For REST.")] = 8080,
    grpc_port: Annotated[int, typer.Option(min=1, max=65535, help="For gRPC, which the router speaks.")] = 8081,
) -> None:
    """Serve one variant of one stage until it is stopped.

    Its model is called VARIANT: /v2/models/VARIANT/ready answers 200 once it is loaded and warm.
    """
    from ipa.adapters.files import load_config_as_measured
    from ipa.adapters.serving.replica_foreground import run_replica
    from ipa.adapters.serving.runtime import At
    from ipa.domain import Allocation
    from ipa.errors import UsageError

    if not host:
        raise UsageError("--host: must be an address or a name; 0.0.0.0 is everywhere")
    if port == grpc_port:
        raise UsageError(f"--port and --grpc-port are both {port}: give each its own")
    what = Allocation(stage, variant, hardware, cores, 1, 1)
    run_replica(load_config_as_measured(config), what, At(host, port, grpc_port))
