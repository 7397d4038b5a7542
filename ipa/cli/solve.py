"""`ipa solve`: one decision, printed or applied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def solve(
    config: Annotated[Path, typer.Argument(help="Pipeline config (YAML).", show_default=False)],
    rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="R", help="Requests per second to plan for; default: the forecast of the running pipeline."
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(metavar="P", help="auto, label, milp, exhaustive, fa2-low, fa2-high, rim or static.")
    ] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print plan and difference; touch nothing.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: exit 10 if the plan differs from what runs.")
    ] = False,
    output: Annotated[Literal["table", "json", "yaml"], typer.Option()] = "table",
) -> None:
    """Choose the best plan for a rate.

    Variant, batch and replicas of every stage; without --dry-run the plan is applied once.
    """
    from ipa.cli.loading import load_config
    from ipa.cli.planning import forecast_rps, rate_for, running_pipeline, solve_for
    from ipa.diff import changes
    from ipa.errors import ServingError, UsageError
    from ipa.policy.infeasible import diagnose
    from ipa.report import solve as report
    from ipa.report.output import emit

    if exit_code and not dry_run:
        raise UsageError("--exit-code only goes with --dry-run")
    settings = load_config(config)
    rate_rps = rate_for(settings.pipeline.name, rate or [])
    # With a rate a dry run needs nothing that runs: the live plan is then empty.
    run = None if dry_run and rate_rps is not None else running_pipeline(settings)
    if rate_rps is None:
        assert run is not None
        rate_rps = forecast_rps(settings, run[1])
    problem, solution = solve_for(settings, rate_rps, policy)
    plan = solution.evaluation.plan if solution.evaluation else None
    live = run[0].live() if run else None
    changed = changes(live, plan) if plan else ()
    diagnosis = None if plan else diagnose(problem)
    document = report.document(
        problem,
        solution,
        diagnosis.reason if diagnosis else solution.reason,
        changed,
        diagnosis.relaxations if diagnosis else (),
    )
    emit(document, output, lambda: report.table(document))
    if plan is None:
        raise typer.Exit(3)
    if dry_run:
        raise typer.Exit(10 if exit_code and changed else 0)
    assert run is not None
    outcome = run[0].apply(plan)
    if not outcome.applied:
        raise ServingError(f"the plan was not applied: {outcome.detail}")
