"""A run → the text of one HTML file that needs nothing else: style, script and data are in it, no address is.

Everything read from files is escaped by the template; a content security policy, which names the one script by its
hash and allows no request, holds even if an escape were forgotten.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ipa.report.html import quantities as q
from ipa.report.html.bins import bin_width_s
from ipa.report.html.chart import Drawing, draw, time_ticks
from ipa.report.html.charts import Told, charts, told
from ipa.report.html.lanes import MOST_SEGMENTS, Lane, lanes
from ipa.report.html.rows import NUMBER_COLUMNS, DecisionRow, decision_row, number_rows
from ipa.report.html.story import Run
from ipa.report.html.turns import Stretch, acted, plans, stretches
from ipa.report.html.verdict import comparison, verdict

if TYPE_CHECKING:
    from jinja2 import Template

MOST_CHANGES = 5
MOST_MARKS = 100


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """One policy's plan over time, decisions and numbers; `lanes_sampled`: at how many times it is drawn; 0: all."""

    told: Told
    lanes: tuple[Lane, ...]
    lanes_sampled: int
    decisions: tuple[DecisionRow, ...]
    turns: int
    hidden: int
    latest: tuple[DecisionRow, ...]
    changes: int
    number_width_s: int
    numbers: tuple[tuple[str, ...], ...]


def render(run: Run) -> str:
    """The whole file."""
    return _template().render(_context(run))


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ipa.report.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _context(run: Run) -> dict[str, Any]:
    width_s = bin_width_s(run.duration_s)
    policies = told(run, width_s)
    drawings = [draw(chart, run.duration_s) for chart in charts(run, policies)]
    script = _file("hover.js")
    return {
        "run": run,
        "q": q,
        "when": run.start.strftime("%Y-%m-%d %H:%M:%S %Z") if run.start else None,
        "duration": q.span(run.duration_s),
        "verdict": verdict(run, policies[0]),
        "comparison": comparison(run) if len(run.policies) > 1 else None,
        "seeds": len({policy.seed for policy in run.policies}),
        "policies": [_part(run, policy) for policy in policies],
        "number_columns": NUMBER_COLUMNS,
        "drawings": drawings,
        "times": time_ticks(run.duration_s, run.start),
        "marks": _marks(run, policies),
        "style": _file("style.css"),
        "script": script,
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
        "hover": _hover(run, drawings),
    }


def _file(name: str) -> str:
    return (files("ipa.report.html") / name).read_text(encoding="utf-8")


def _part(run: Run, policy: Told) -> PolicyPart:
    decisions = policy.run.decisions
    listed = stretches(decisions)
    changes = [Stretch(decision, decision, 1) for decision in decisions if acted(decision)]
    ran = plans(decisions)
    number_width_s, numbers = number_rows(policy.run.seconds, run.start)
    return PolicyPart(
        told=policy,
        lanes=lanes(ran, run.duration_s, run.start),
        lanes_sampled=MOST_SEGMENTS if len(ran) > MOST_SEGMENTS else 0,
        decisions=tuple(decision_row(stretch, run.start) for stretch in listed.shown),
        turns=len(decisions),
        hidden=listed.hidden,
        latest=tuple(decision_row(stretch, run.start) for stretch in changes[-MOST_CHANGES:]),
        changes=len(changes),
        number_width_s=number_width_s,
        numbers=numbers,
    )


def _marks(run: Run, policies: tuple[Told, ...]) -> list[float]:
    """Where the plan of a lone policy changed, in % of the width: the reason for what the curves do there.

    Of several policies, or of too many changes, the lines would only hide the curves.
    """
    times = [d.at_s for d in policies[0].run.decisions if d.applied] if len(policies) == 1 else []
    return [100 * at_s / (run.duration_s or 1.0) for at_s in times] if len(times) <= MOST_MARKS else []


def _hover(run: Run, drawings: list[Drawing]) -> dict[str, Any]:
    """What the script reads: the exact points of every curve."""
    start = run.start
    return {
        "duration_s": run.duration_s or 1.0,
        "start_s": start.hour * 3600 + start.minute * 60 + start.second if start else None,
        "charts": {
            drawing.chart.key: {
                "unit": drawing.chart.unit,
                "curves": [
                    {"x": [_four(x) for x, _ in c.points], "y": [_four(y) for _, y in c.points]}
                    for c in drawing.chart.curves
                ],
            }
            for drawing in drawings
        },
    }


def _four(value: float | None) -> float | None:
    """Digits beyond the fourth are noise on a page; times keep their tenths of a second."""
    return None if value is None else float(f"{value:.4g}") if abs(value) < 1000 else round(value, 1)
