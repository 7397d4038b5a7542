"""What a run comes to: did it hold its objective, at what cost, how accurate, how often did it change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from ipa.report.html import quantities as q
from ipa.report.html.charts import COLOURS, Told
from ipa.report.html.story import Decision, Objective, PolicyRun, Run, Summary
from ipa.report.html.turns import kind

Tone = Literal["held", "missed", "unknown"]


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    note: str = ""
    tone: Tone = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    tone: Tone
    headline: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """Over several seeds `value` is the mean, `range` the least and the largest where they differ."""

    value: str
    range: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A policy among others."""

    policy: str
    colour: str
    tone: Tone
    held: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def tone(summary: Summary | None, objective: Objective) -> Tone:
    """Held: of all sent, at least the objective's percentile were answered in time."""
    if summary is None or summary.slo_share is None:
        return "unknown"
    return "held" if summary.slo_share >= objective.percentile / 100 - 1e-12 else "missed"


def changed(decisions: Sequence[Decision]) -> int:
    return sum(decision.applied for decision in decisions)


def verdict(run: Run, policy: Told) -> Verdict:
    """Of one policy, the first."""
    if policy.run.summary is None:
        return _of_journal(run, policy)
    found = _of_measured(run, policy.run, policy.run.summary)
    tones = [tone(p.summary, run.objective) for p in run.policies if p.policy == policy.run.policy]
    if len(tones) < 2:
        return found
    held = tones.count("held")
    headline = f"{policy.run.policy} held the objective in {held} of {len(tones)} seeds. Seed {policy.run.seed}: "
    headline += _sentence(run, policy.run.summary)
    return replace(found, headline=headline, tone="held" if held == len(tones) else "missed")


def _of_measured(run: Run, policy: PolicyRun, s: Summary) -> Verdict:
    found = tone(s, run.objective)
    asked = f"{run.objective.percentile:g} %"
    lost = f"{s.dropped:,} dropped, {s.failed:,} failed" + "".join(f"; {why}: {n:,}" for why, n in s.reasons)
    facts = [
        Fact("answered in time", q.share(s.slo_share), f"objective {asked}; {lost}", found),
        Fact("p99 latency", q.latency(s.p99_s), f"p50 {q.latency(s.p50_s)}" + _slo(run)),
        Fact("cost", _hours(s.core_hours), _mean_cores(s.core_hours, run.duration_s) + _money(s.cost)),
        Fact("accuracy", q.share(s.accuracy), "of the answers"),
    ]
    if policy.decisions:
        facts.append(Fact("plan changes", f"{changed(policy.decisions):,}", f"in {len(policy.decisions):,} turns"))
    headline = "No request was sent" if found == "unknown" else f"{_held(run, policy, found)}: {_sentence(run, s)}"
    return Verdict(found, headline, tuple(facts))


def _held(run: Run, policy: PolicyRun, found: Tone) -> str:
    return f"{policy.policy} {found} the objective" if run.kind == "simulation" else f"Objective {found}"


def _sentence(run: Run, s: Summary) -> str:
    within = f"within {q.latency(run.objective.latency_s)}" if run.objective.latency_s is not None else "in time"
    requests = q.plural(s.sent, "request")
    return f"{q.share(s.slo_share)} of {requests} answered {within}, {run.objective.percentile:g} % asked"


def _slo(run: Run) -> str:
    return f", SLO {q.latency(run.objective.latency_s)}" if run.objective.latency_s is not None else ""


def _hours(core_hours: float | None) -> str:
    return q.NONE if core_hours is None else f"{q.number(core_hours)} core-h"


def _mean_cores(core_hours: float | None, duration_s: float) -> str:
    return f"{q.number(3600 * core_hours / duration_s)} cores on average" if core_hours and duration_s else ""


def _money(cost: float | None) -> str:
    return f", cost {q.number(cost)}" if cost else ""


def _of_journal(run: Run, policy: Told) -> Verdict:
    decisions = policy.run.decisions
    kinds = Counter(kind(decision) for decision in decisions)
    done, failed, proposed = kinds["applied"], kinds["failed"], kinds["proposed"]
    overload = sum(d.reason.startswith("overload") for d in decisions)
    mean = policy.mean_cores(run.duration_s)
    peak = max((d.rate_rps for d in decisions if d.rate_rps is not None), default=None)
    foreseen = max((d.forecast_rps for d in decisions if d.forecast_rps is not None), default=None)
    trouble = f"; {proposed:,} proposed only" if proposed else ""
    trouble += f"; overload in {q.plural(overload, 'turn')}" if overload else ""
    trouble += f"; {q.plural(failed, 'change')} not applied" if failed else ""
    facts = (
        Fact("plan changes", f"{done:,}", f"{failed:,} not applied"),
        Fact("overload", q.plural(overload, "turn"), "the forecast was more than fits the limits"),
        Fact("peak load", f"{q.number(peak)} rps", f"forecast at most {q.number(foreseen)}"),
        Fact("cost", f"{q.number(mean)} cores", "on average" + _planned(mean, run.duration_s)),
        Fact("turns", f"{len(decisions):,}", f"every {q.span(run.duration_s / max(1, len(decisions)))}"),
    )
    headline = f"{q.plural(done, 'plan change')} in {q.plural(len(decisions), 'turn')} over {q.span(run.duration_s)}"
    return Verdict("missed" if overload or failed else "unknown", headline + trouble, facts)


def _planned(mean_cores: float | None, duration_s: float) -> str:
    return f", {q.number(mean_cores * duration_s / 3600)} core-h" if mean_cores is not None else ""


def _total(name: str) -> Callable[[PolicyRun], float | None]:
    return lambda policy: getattr(policy.summary, name) if policy.summary else None


def _changes(policy: PolicyRun) -> float | None:
    return changed(policy.decisions) if policy.decisions else None


_FIGURES: tuple[tuple[str, Callable[[PolicyRun], float | None], Callable[[float | None], str]], ...] = (
    ("in SLO", _total("slo_share"), q.share),
    ("p50", _total("p50_s"), q.latency),
    ("p99", _total("p99_s"), q.latency),
    ("dropped", _total("dropped"), q.number),
    ("accuracy", _total("accuracy"), q.share),
    ("core hours", _total("core_hours"), q.number),
    ("cost", lambda policy: _total("cost")(policy) or None, q.number),  # no prices: no column
    ("changes", _changes, q.number),
    ("objective", _total("objective"), q.number),
    ("regret", _total("regret"), q.number),
)


def comparison(run: Run) -> Comparison:
    """A row a policy; a figure that is known of none has no column."""
    names = list(dict.fromkeys(policy.policy for policy in run.policies))
    shown = [figure for figure in _FIGURES if any(figure[1](policy) is not None for policy in run.policies)]
    rows = tuple(_row(run, name, f"p{i % COLOURS}", shown) for i, name in enumerate(names))
    return Comparison(tuple(title for title, _, _ in shown), rows)


def _row(
    run: Run, name: str, colour: str, figures: Sequence[tuple[str, Callable[..., Any], Callable[..., str]]]
) -> Row:
    seeds = [policy for policy in run.policies if policy.policy == name]
    tones = [tone(policy.summary, run.objective) for policy in seeds if policy.summary is not None]
    held = tones.count("held")
    found: Tone = "unknown" if not tones or "unknown" in tones else "held" if held == len(tones) else "missed"
    word = found if len(tones) < 2 or held in (0, len(tones)) else f"held in {held} of {len(tones)}"
    return Row(name, colour, found, word, tuple(_over(seeds, value, text) for _, value, text in figures))


_T = TypeVar("_T")


def _over(items: Sequence[_T], value: Callable[[_T], float | None], text: Callable[[float | None], str]) -> Cell:
    values = [v for item in items if (v := value(item)) is not None]
    if not values:
        return Cell(text(None))
    least, largest = text(min(values)), text(max(values))
    mean = values[0] if len(values) == 1 else sum(values) / len(values)
    return Cell(text(mean), "" if least == largest else f"{least} – {largest}")
