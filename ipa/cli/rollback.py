"""`ipa rollback`: back to an earlier plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipa.cli.options import Output


def rollback(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    back: Annotated[int, typer.Argument(min=1, metavar="[N]", help="So many plans back, as ipa history counts.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which plan it is; touch nothing.")] = False,
    output: Output = "table",
) -> None:
    """Go back to an earlier plan.

    In a cluster what it replaces is barred for a while, so that the controller does not return to it at once; on one
    machine a running ipa adapt decides anew at its next turn. Exits with 4 if it did not get ready and was undone.
    """
    from ipa.adapters.operators import OPERATORS, decisions
    from ipa.adapters.past import plan_before
    from ipa.cli.loading import load_config
    from ipa.cli.planning import RolledBackError
    from ipa.cli.signals import stopped_by_signals
    from ipa.errors import ServingError
    from ipa.report import rollback as report
    from ipa.report.output import emit

    settings = load_config(config)
    name, operator = settings.pipeline.name, OPERATORS[settings.cluster.kind]
    live = operator.live(settings)
    plan = plan_before(decisions(operator.journal(settings), name), live, back)
    if dry_run:
        document = report.document(name, back, live, plan, None)
        emit(document, output, lambda: report.table(document))
        return
    clock = stopped_by_signals([settings])
    outcome = operator.roll_back(settings, plan, f"rollback by {back}, asked for by hand", clock)
    document = report.document(name, back, live, plan, outcome)
    emit(document, output, lambda: report.table(document))
    if not outcome.applied:
        failure = RolledBackError if outcome.rolled_back else ServingError
        raise failure(f"{name}: the plan was not applied: {outcome.detail}")
