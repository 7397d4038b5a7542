"""`ipa solve`: one decision, printed or applied; the front it is taken from; one budget for several pipelines."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ipa.cli.options import PolicyName

if TYPE_CHECKING:
    from ipa.cli.planning import Asked
    from ipa.domain import Plan
    from ipa.policy.inferline import Sample


def solve(
    config: Annotated[
        list[Path], typer.Argument(help="Pipeline configs (YAML); several share --cores.", show_default=False)
    ],
    rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]R",
            help="Requests per second to plan for, for all or for one; default: the forecast of the running pipeline.",
        ),
    ] = None,
    policy: PolicyName = "auto",
    cores: Annotated[float | None, typer.Option(metavar="N", help="Cores for all configs together.")] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=W", help="What a pipeline's objective counts in the split; default 1."),
    ] = None,
    frontier: Annotated[
        bool, typer.Option("--frontier", help="All that cost and accuracy can be traded for; touches nothing.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --frontier: draw it as .png, .svg or .pdf.")
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(metavar="T", help="When to take the best plan so far, with its proven gap; default 10s."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print plan and difference; touch nothing.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: exit 10 if the plan differs from what runs.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also say which limits bind and what the next unit of each is worth.")
    ] = False,
    certify: Annotated[
        bool, typer.Option("--certify", help="The best plan whose SLO percentile also holds in simulation.")
    ] = False,
    cv: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="With --certify: how uneven arrivals are, deviation / mean; default: as seen; with --rate 1, Poisson.",
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="SAMPLE",
            help="With --policy inferline: the arrivals to plan on, as in ipa load; its mean is the default --rate.",
        ),
    ] = None,
    output: Annotated[
        Literal["table", "json", "yaml", "csv"], typer.Option(help="csv goes with --frontier.")
    ] = "table",
) -> None:
    """Choose the best plan for a rate.

    Variant, batch and replicas of every stage; without --dry-run the plan is applied once.
    """
    from ipa.cli import planning
    from ipa.cli.choosing import sample_of
    from ipa.durations import positive_duration_s
    from ipa.errors import UsageError
    from ipa.policy import SIMULATING
    from ipa.report.pictures import check_plot_file
    from ipa.workload.variation import cv_of

    if exit_code and (frontier or not dry_run):
        raise UsageError("--exit-code only goes with --dry-run")
    if frontier and len(config) > 1:
        raise UsageError("--frontier is of one pipeline: give one config")
    if frontier and policy != "auto":
        raise UsageError(f"--policy {policy}: --frontier is found by the policy auto only")
    if explain and (frontier or len(config) > 1):
        raise UsageError("--explain is of one plan: give one config, and no --frontier")
    if not frontier and (plot is not None or output == "csv"):
        raise UsageError(f"{'--output csv' if plot is None else f'--plot {plot}'} only goes with --frontier")
    if plot is not None:
        check_plot_file(plot)
    if time_limit is not None and (frontier or len(config) > 1):
        raise UsageError("--time-limit is of one decision: give one config, and no --frontier")
    limit_s = positive_duration_s("--time-limit", time_limit) if time_limit is not None else None
    if certify and (frontier or explain or len(config) > 1):
        raise UsageError("--certify is of one plan: give one config, and neither --frontier nor --explain")
    if cv is not None and not certify:
        raise UsageError(f"--cv {cv:g} only goes with --certify")
    if policy in SIMULATING and (explain or len(config) > 1):
        raise UsageError(f"--policy {policy} simulates one pipeline: give one config, and no --explain")
    if trace is not None and (policy not in SIMULATING or certify):
        raise UsageError(f"--trace {trace}: only goes with --policy {' or '.join(SIMULATING)}, and without --certify")
    budget = planning.cores_given(cores)
    sample = sample_of(trace) if trace is not None else None
    rates = [repr(sample.rate_rps)] if sample and not rate else rate or []
    asked = planning.ask(planning.load_all(config), rates, weight or [], dry_run=dry_run or frontier)
    if frontier:
        raise typer.Exit(_frontier(asked[0], budget, plot, output))
    if len(asked) == 1:
        variation = (cv_of(asked[0].arrivals) if cv is None else cv) if certify else None
        planned, differs = _one(asked[0], budget, policy, limit_s, output, sample, explain=explain, cv=variation)
    else:
        planned, differs = _several(asked, budget, policy, output)
    if not planned:
        raise typer.Exit(3)
    if dry_run:
        raise typer.Exit(10 if exit_code and differs else 0)
    planning.apply_all(planned)


def _one(
    asked: Asked,
    budget: float | None,
    policy: str,
    limit_s: float | None,
    output: str,
    sample: Sample | None,
    *,
    explain: bool,
    cv: float | None,
) -> tuple[list[tuple[Asked, Plan]], bool]:
    """Prints the decision; what to apply, nothing if there is no plan, and whether it differs from what runs."""
    from ipa.cli.planning import difference, solve_for, within
    from ipa.options import price_list
    from ipa.policy.explain import explain as explain_best
    from ipa.policy.fixed import diagnose_for, seen_by
    from ipa.policy.overload import largest_rate_rps
    from ipa.report import explain as report_explain
    from ipa.report import solve as report
    from ipa.report.output import emit

    config, see = within(asked.config, budget), partial(seen_by, policy)
    problem, solution = solve_for(config, asked.rate_rps, policy, limit_s, cv, sample)
    plan = solution.evaluation.plan if solution.evaluation else None
    changed = difference(asked, plan)
    # Without a plan that passes there still is one that keeps the limits.
    diagnosis = None if plan or solution.certificate or solution.estimate else diagnose_for(policy, problem)
    document = report.document(
        problem,
        solution,
        diagnosis.reason if diagnosis else solution.reason,
        changed,
        diagnosis.relaxations if diagnosis else (),
    )
    if diagnosis:
        document |= report.shortfall(diagnosis, largest_rate_rps(price_list(config.pipeline), see))
    elif explain and (explanation := explain_best(config.pipeline, asked.rate_rps, see)):
        document["explain"] = report_explain.document(explanation)
    emit(document, output, lambda: report.table(document))
    if solution.certificate and not plan and solution.status != "infeasible":
        raise typer.Exit(1)  # there may be one: nothing is known yet
    return [(asked, plan)] if plan else [], bool(changed)


def _several(
    asked: list[Asked], budget: float | None, policy: str, output: str
) -> tuple[list[tuple[Asked, Plan]], bool]:
    """As `_one`, for all pipelines or none."""
    from ipa.cli.planning import difference, split_for
    from ipa.report import shared as report
    from ipa.report.output import emit

    split = split_for(asked, budget, policy)
    planned = list(zip(asked, (evaluation.plan for evaluation in split.plans), strict=False))
    changed = {a.name: difference(a, plan) for a, plan in planned}
    document = report.document(split, changed)
    emit(document, output, lambda: report.table(document))
    return planned, any(changed.values())


def _frontier(asked: Asked, budget: float | None, plot: Path | None, output: str) -> int:
    """Prints and draws the front; the exit code."""
    from ipa.cli.planning import within
    from ipa.options import price
    from ipa.policy.frontier import frontier
    from ipa.policy.infeasible import diagnose
    from ipa.report import frontier as report
    from ipa.report.output import emit

    front = frontier(price(within(asked.config, budget).pipeline, asked.rate_rps))
    document = report.document(front, None if front.points else diagnose(front.problem))
    if plot is not None and front.points:
        report.plot(document, plot)
    emit(document, output, lambda: report.table(document), lambda: report.csv(document))
    return 0 if front.points else 3
