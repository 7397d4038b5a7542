"""`ipa status`: what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output


def status(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    output: Output = "table",
) -> None:
    """Say what runs, on this machine or in the cluster.

    Exits with 0 if every replica is ready, 1 if not, 2 if nothing runs.
    """
    from ipa.adapters.operators import OPERATORS
    from ipa.cli.loading import load_config
    from ipa.report import status as report
    from ipa.report.output import emit

    settings = load_config(config)
    document = report.document(OPERATORS[settings.cluster.kind].status(settings))
    emit(document, output, lambda: report.table(document))
    if not document["plan"]:
        raise typer.Exit(2)
    raise typer.Exit(0 if document["ready"] else 1)
