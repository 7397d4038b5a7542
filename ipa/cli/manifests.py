"""`ipa manifests`: the pipeline as Kubernetes objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ipa.adapters.kubernetes.names import Server
    from ipa.adapters.kubernetes.way import Size
    from ipa.domain import Config


def manifests(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    rate: Annotated[float, typer.Option(min=0, metavar="R", help="Requests per second that it starts with.")] = 10.0,
    namespace: Annotated[
        str | None,
        typer.Option(metavar="N", help="Default: cluster.namespace of the config, else default.", show_default=False),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=REF", help="What pods run, repeatable: model or router. Default: cluster.images."),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="A controller that only says what it would do, without other rights.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Replicas and cores as they are in the cluster now, for what is there; to apply again."
        ),
    ] = False,
    pod_monitor: Annotated[
        bool,
        typer.Option("--pod-monitor/--no-pod-monitor", help="For the Prometheus operator; its kinds must be known."),
    ] = True,
    output: Annotated[Literal["yaml", "json"], typer.Option()] = "yaml",
) -> None:
    """Print the pipeline as Kubernetes objects.

    For kubectl apply --server-side --field-manager=ipa-manifests -f -
    """
    from importlib.metadata import version

    from ipa.adapters.files import config_texts
    from ipa.cli.loading import load_config
    from ipa.cli.planning import plan_for
    from ipa.manifests import Wanted, images, mounted, namespace_given, render, sizes
    from ipa.report.manifests import show

    settings = load_config(config)
    runs = images(settings, image or [], version("ipa"))
    where = namespace_given(settings, namespace)
    wanted = Wanted(
        settings,
        where,
        runs,
        mounted(*config_texts(config), runs, str(config)),
        sizes(settings.pipeline, plan_for(settings, rate), _live(settings, where) if live else {}),
        "read-only" if read_only else "control",
        monitored=pod_monitor,
    )
    show(render(wanted), output)


def _live(config: Config, namespace: str) -> dict[Server, Size]:
    from ipa.adapters.kubernetes.attached import connected, live_sizes

    with connected(config, namespace) as connection:
        return live_sizes(connection, config)
