"""`ipa adapt`: each turn as a document, as one plain line, and as a live view in a terminal."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ipa.control import Turn
from ipa.diff import changes
from ipa.domain import Decision, Observation, Plan
from ipa.ports import Outcome
from ipa.report.output import finite
from ipa.report.solve import change_row
from ipa.report.words import words

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

SHOWN = 12
"""How many decisions the live view keeps on screen."""


def document(pipeline: str, turn: Turn) -> dict[str, Any]:
    """One line of the journal."""
    seen, solution, outcome = turn.observation, turn.solution, turn.outcome
    best = solution.evaluation if solution else None
    line = {
        "pipeline": pipeline,
        "at": datetime.fromtimestamp(turn.at_s, UTC).isoformat(timespec="milliseconds"),
        "rate_rps": seen.arrivals[-1] if seen and seen.arrivals else None,
        "forecast_rps": turn.forecast.rate_rps if turn.forecast else None,
        "forecast": turn.forecast.reason if turn.forecast else None,
        "live": _rows(seen.live) if seen else None,
        "wanted": _rows(best.plan) if best else None,
        "objective": best.objective if best else None,
        "accuracy": best.accuracy if best else None,
        "latency_s": best.latency_s if best else None,
        "cost_cores": best.cost_cores if best else None,
        "solver": solution.solver if solution else None,
        **({"certificate": asdict(solution.certificate)} if solution and solution.certificate else {}),
        "apply": _rows(turn.decision.plan),
        "reason": turn.decision.reason,
        "changes": [change_row(change) for change in turn.changes],
        "outcome": asdict(outcome) if outcome else None,
    }
    return finite(line)  # type: ignore[no-any-return]


def by_hand(pipeline: str, at_s: float, live: Plan | None, plan: Plan, why: str, outcome: Outcome) -> dict[str, Any]:
    """A line of the journal for a plan that no turn chose."""
    observed = Observation(at_s, (), live, True)
    turn = Turn(at_s, observed, None, None, Decision(plan, why), changes(live, plan), outcome)
    return document(pipeline, turn)


def _rows(plan: Plan | None) -> list[dict[str, Any]] | None:
    return [asdict(a) for a in plan.allocations] if plan else None


def line(turn: Turn) -> str:
    """One turn in one line: when, load → forecast, what was done and why."""
    when = datetime.fromtimestamp(turn.at_s).astimezone().strftime("%H:%M:%S")
    seen = turn.observation.arrivals[-1] if turn.observation and turn.observation.arrivals else 0
    forecast = f"{turn.forecast.rate_rps:6.1f}" if turn.forecast else "     –"
    return f"{when}  {seen:4d}/s → {forecast}/s  {_verb(turn)}  {turn.decision.reason}{_changes(turn)}"


def dry(plan: Plan) -> Outcome:  # noqa: ARG001 (stands where the cluster's apply would)
    """What applying means in a dry run."""
    return Outcome(False, 0.0, "dry run")


def _verb(turn: Turn) -> str:
    if turn.decision.plan is None:
        return "keep "
    return "apply" if turn.outcome and turn.outcome.applied else "tried"


def _changes(turn: Turn) -> str:
    parts = [f"{c.stage} {words(c.after) if c.after else 'nothing'}" for c in turn.changes]
    if turn.outcome and turn.outcome.detail:
        parts.append(turn.outcome.detail)
    return f" [{'; '.join(parts)}]" if parts else ""


class Lines:
    """Plain lines, for logs and pipes."""

    def show(self, turn: Turn) -> None:
        sys.stdout.write(line(turn) + "\n")
        sys.stdout.flush()

    def running(self) -> AbstractContextManager[object]:
        return nullcontext()


class NamedLines(Lines):
    """Plain lines of one pipeline among several."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline

    def show(self, turn: Turn) -> None:
        sys.stdout.write(f"{self._pipeline}  {line(turn)}\n")
        sys.stdout.flush()


class JsonLines(Lines):
    """One JSON document a decision, one a line."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline

    def show(self, turn: Turn) -> None:
        import json

        sys.stdout.write(json.dumps(document(self._pipeline, turn)) + "\n")
        sys.stdout.flush()


class YamlDocuments(Lines):
    """One YAML document a decision."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline

    def show(self, turn: Turn) -> None:
        import yaml

        sys.stdout.write(yaml.safe_dump(document(self._pipeline, turn), sort_keys=False, explicit_start=True))
        sys.stdout.flush()


class LiveView:
    """What runs now and the last decisions, redrawn in place."""

    def __init__(self, pipeline: str) -> None:
        from rich.live import Live

        self._pipeline = pipeline
        self._turns: deque[Turn] = deque(maxlen=SHOWN)
        self._live: Live = Live(auto_refresh=False, transient=False)

    def running(self) -> Live:
        return self._live

    def show(self, turn: Turn) -> None:
        self._turns.append(turn)
        self._live.update(self._drawing(), refresh=True)

    def _drawing(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        turn = self._turns[-1]
        live = turn.decision.plan or (turn.observation.live if turn.observation else None)
        grid = Table(title=f"{self._pipeline}: ^C stops", title_justify="left")
        for name in ("stage", "runs"):
            grid.add_column(name)
        for allocation in live.allocations if live else ():
            grid.add_row(allocation.stage, words(allocation))
        lines = Text("\n".join(line(t) for t in self._turns), overflow="ellipsis", no_wrap=True)
        return Group(grid, lines)


def view(pipeline: str, output: str) -> Lines | LiveView:
    """The view for this output: live in a terminal, plain lines elsewhere."""
    if output == "json":
        return JsonLines(pipeline)
    if output == "yaml":
        return YamlDocuments(pipeline)
    return LiveView(pipeline) if sys.stdout.isatty() else Lines()


def views(pipelines: Sequence[str], output: str) -> list[Lines | LiveView]:
    """One for each pipeline; of several every line says of which it is."""
    if len(pipelines) > 1 and output == "table":
        return [NamedLines(pipeline) for pipeline in pipelines]
    return [view(pipeline, output) for pipeline in pipelines]


@contextmanager
def running(shown: Sequence[Lines | LiveView]) -> Iterator[None]:
    with ExitStack() as stack:
        for each in shown:
            stack.enter_context(each.running())
        yield
