"""`ipa solve --frontier`: the Pareto front as a document, a table, a chart in the terminal, CSV and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ipa.evaluation import Evaluation
from ipa.policy import Solution
from ipa.policy.frontier import Frontier
from ipa.policy.infeasible import Diagnosis
from ipa.report import solve
from ipa.report.console import stderr_console, stdout_console
from ipa.report.output import write_csv
from ipa.report.pictures import empty_figure, save
from ipa.report.scatter import scatter
from ipa.report.words import plan_words

NUMBERS = ("cost_cores", "cost_per_hour", "accuracy", "score", "objective", "latency_s")
COLUMNS = ("cost", *NUMBERS, "knee", "chosen", "plan")
# Mark in the terminal; the same blue and vermilion as in `ipa fit`, told apart by colour-blind readers too.
MARKS = {(False, False): "o", (True, False): "K", (False, True): "C", (True, True): "*"}
COLOURS = {"front": "#0072b2", "marked": "#d55e00"}


def document(frontier: Frontier, diagnosis: Diagnosis | None) -> dict[str, Any]:
    """{pipeline, rate_rps, unit, reason, points: [{cost, …, knee, chosen, plan}], off_front, relaxations}.

    `off_front` is the objective's choice where no point is it, else null; its rows have the keys of a point.
    """
    problem = frontier.problem
    unit = problem.objective.unit
    off = frontier.off_front
    relaxations = solve.document(problem, _solution(None), "", (), diagnosis.relaxations if diagnosis else ())
    return {
        "pipeline": problem.pipeline,
        "rate_rps": problem.rate_rps,
        "unit": unit,
        "feasible": bool(frontier.points),
        "reason": diagnosis.reason if diagnosis else _off_front(frontier) if off else "every Pareto-optimal plan",
        "points": [
            _row(frontier, p.plan) | {"cost": p.cost, "knee": p.knee, "chosen": p.chosen} for p in frontier.points
        ],
        "off_front": _row(frontier, off) if off else None,
        "relaxations": relaxations["relaxations"],
    }


def _row(frontier: Frontier, plan: Evaluation) -> dict[str, Any]:
    problem = frontier.problem
    solved = solve.document(problem, _solution(plan), "", (), ())
    cost = plan.cost_cores if problem.objective.unit == "cores" else plan.cost_per_hour
    numbers = {name: solved[name] for name in NUMBERS}
    return {"cost": cost, **numbers, "knee": False, "chosen": True, "plan": solved["plan"]}


def _solution(plan: Evaluation | None) -> Solution:
    return Solution(plan, "", "", "", None)


def _off_front(frontier: Frontier) -> str:
    o = frontier.problem.objective
    formula = f"{o.accuracy_weight:g}·{o.score} − {o.cost_weight:g}·{o.unit} − {o.batch_weight:g}·Σ batch"
    return f"every Pareto-optimal plan; the plan that maximises {formula} is not one of them"


# --- for people --------------------------------------------------------------------------------------------


def table(document: dict[str, Any]) -> None:
    """The points, a chart of them, and what the marks mean; or why there is none."""
    from rich.table import Table

    console = stdout_console()
    if not document["points"]:
        console.print(document["reason"], soft_wrap=True)
        return
    title = f"{document['pipeline']} at {document['rate_rps']:g} requests/s: accuracy against {document['unit']}"
    grid = Table(title=title, title_justify="left")
    for name in (_cost_name(document), "accuracy", "latency ms", "objective"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    grid.add_column("plan")
    for row in document["points"]:
        grid.add_row(*_cells(row))
    console.print(grid)
    if len(document["points"]) > 1:
        console.print(_chart(document), soft_wrap=True)
    if document["off_front"]:
        off = document["off_front"]
        console.print(
            f"{document['reason']}: {off['cost']:.6g} {_cost_name(document)}, accuracy {off['accuracy']:.4f}: "
            f"{plan_words(off['plan'])}",
            soft_wrap=True,
        )


def _chart(document: dict[str, Any]) -> str:
    points = [(row["cost"], row["accuracy"], MARKS[row["knee"], row["chosen"]]) for row in document["points"]]
    points.sort(key=lambda point: point[2] != MARKS[False, False])  # the marked last: no neighbour hides them
    chart = scatter(points, _cost_name(document), "accuracy")
    return f"{chart}\nC what the objective chooses   K knee   * both"


def _cost_name(document: dict[str, Any]) -> str:
    return "cores" if document["unit"] == "cores" else "cost/h"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['cost']:.6g}",
        f"{row['accuracy']:.4f}",
        f"{1e3 * row['latency_s']:.1f}",
        f"{row['objective']:.6g}",
        _marks(row, " "),
        plan_words(row["plan"]),
    )


def _marks(row: dict[str, Any], separator: str) -> str:
    return separator.join(name for name in ("chosen", "knee") if row[name])


# --- for other programs ------------------------------------------------------------------------------------


def csv(document: dict[str, Any]) -> None:
    """A line a point, the plan in words; without points the header alone, and the reason on stderr."""
    write_csv(COLUMNS, [{**row, "plan": plan_words(row["plan"])} for row in document["points"]])
    if not document["points"]:
        stderr_console().print(document["reason"], soft_wrap=True)


def plot(document: dict[str, Any], file: Path) -> None:
    """The front as a picture. Raises UsageError for an unwritable file."""
    figure = empty_figure(6.4, 4.2)
    axis = figure.subplots()
    points = document["points"]
    costs, accuracies = [row["cost"] for row in points], [row["accuracy"] for row in points]
    # Between two points the cheaper one is the best that can be had: steps, no straight lines.
    axis.step(costs, accuracies, where="post", color=COLOURS["front"], linewidth=1)
    axis.plot(costs, accuracies, "o", color=COLOURS["front"], markersize=4)
    for row in points:
        if row["knee"] or row["chosen"]:
            axis.plot([row["cost"]], [row["accuracy"]], "o", color=COLOURS["marked"], markersize=7)
            axis.annotate(
                _marks(row, ", "), (row["cost"], row["accuracy"]), xytext=(6, -12), textcoords="offset points"
            )
    if off := document["off_front"]:
        axis.plot([off["cost"]], [off["accuracy"]], "x", color=COLOURS["marked"])
        axis.annotate("chosen", (off["cost"], off["accuracy"]), xytext=(6, -12), textcoords="offset points")
    axis.margins(y=0.1)  # room for the words below the lowest point
    axis.set_xlabel("cores" if document["unit"] == "cores" else "money per hour")
    axis.set_ylabel("accuracy")
    axis.set_title(f"{document['pipeline']} at {document['rate_rps']:g} requests/s", fontsize=10)
    axis.grid(visible=True, alpha=0.3)
    save(figure, file)
