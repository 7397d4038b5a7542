"""`ipa history`: what was decided, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipa.cli.options import Output

if TYPE_CHECKING:
    from ipa.report.html.story import Decision


def history(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest so many.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="Also the turns at which nothing was to be applied.")] = False,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="As in ipa adapt --journal; default: where the pipeline runs.")
    ] = None,
    output: Output = "table",
) -> None:
    """Say what was decided, and why.

    `back` is the N that ipa rollback N takes to return to that plan; 0 is what was applied last.
    """
    from ipa.adapters.operators import OPERATORS, decisions
    from ipa.adapters.past import entries
    from ipa.adapters.report_journal import read_journal
    from ipa.cli.loading import load_config
    from ipa.report import history as report
    from ipa.report.output import emit

    settings = load_config(config)
    name = settings.pipeline.name
    read = read_journal(journal) if journal is not None else OPERATORS[settings.cluster.kind].journal(settings)
    found = entries(decisions(read, name), None)
    shown = [each for each in found if every or _news(each.decision)][-limit:]
    document = report.document(name, shown)
    emit(document, output, lambda: report.table(document))


def _news(decision: Decision) -> bool:
    return decision.apply is not None
