"""Which curves a run has: load and forecast, latency, what missed the objective, cores, accuracy; all on one time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ipa.report.html import turns
from ipa.report.html.bins import MOST_POINTS, Bin, Points, bins, mean_over_time, sampled, thinned, turns_a_point
from ipa.report.html.chart import Chart, Curve, Limit, Style
from ipa.report.html.quantities import latency
from ipa.report.html.story import Decision, PolicyRun, Run

COLOURS = 6


@dataclass(frozen=True, slots=True)
class Told:
    """A policy as the page draws it: its first seed, its seconds in bins, what it ran."""

    number: int
    run: PolicyRun
    bins: tuple[Bin, ...]
    cores: Points
    accuracy: Points

    @property
    def colour(self) -> str:
        return f"p{self.number % COLOURS}"

    def mean_cores(self, duration_s: float) -> float | None:
        return mean_over_time(self.cores, duration_s)


def told(run: Run, width_s: int) -> tuple[Told, ...]:
    """One for each policy, in the order of the run."""
    first = {policy.policy: policy for policy in reversed(run.policies)}
    names = dict.fromkeys(policy.policy for policy in run.policies)
    return tuple(_told(number, first[name], width_s) for number, name in enumerate(names))


def _told(number: int, run: PolicyRun, width_s: int) -> Told:
    binned = bins(run.seconds, width_s)
    ran = turns.plans(run.decisions)
    return Told(
        number=number,
        run=run,
        bins=binned,
        cores=_of(binned, lambda b: b.cores) or turns.cores(ran),
        accuracy=_of(binned, lambda b: b.accuracy) or turns.accuracies(ran, run.decisions),
    )


def _of(binned: tuple[Bin, ...], value: Callable[[Bin], float | None]) -> Points:
    """A value a bin; empty if no bin has one."""
    points = tuple((b.at_s, value(b)) for b in binned)
    return points if any(v is not None for _, v in points) else ()


def charts(run: Run, policies: tuple[Told, ...]) -> tuple[Chart, ...]:
    """Those for which there is anything to draw, from the cause to the effects."""
    found = (
        _load(policies),
        _latency(run, policies),
        _missed(policies),
        _cores(run, policies),
        _accuracy(run, policies),
    )
    return tuple(chart for chart in found if any(curve.points for curve in chart.curves))


def _load(policies: tuple[Told, ...]) -> Chart:
    """The trace is the same for all policies, and so is the forecast but for its horizon: the first one's are drawn."""
    binned = next((p.bins for p in policies if p.bins), ())
    decisions = next((p.run.decisions for p in policies if p.run.decisions), ())
    sent = tuple((b.at_s, b.sent / b.width_s) for b in binned) or thinned(decisions, lambda d: d.rate_rps)
    forecast = thinned(decisions, lambda d: d.forecast_rps)
    curves = (Curve("arrivals", sent, "load", "area"), Curve("forecast", forecast, "forecast", "steps"))
    hint = "forecast: the rate that each plan must carry" if forecast else ""
    hint += "" if binned else f"; arrivals: in the second before each turn{_largest_of(decisions)}"
    return Chart("load", "Load, requests/s", "rps", tuple(c for c in curves if c.points), hint)


def _latency(run: Run, policies: tuple[Told, ...]) -> Chart:
    """p99 of every policy, and p50 of a lone one; where nothing was measured, what was planned."""
    slo_s = run.objective.latency_s
    limit = Limit(slo_s, f"SLO {latency(slo_s)}") if slo_s is not None else None
    width_s = max((b.width_s for p in policies for b in p.bins), default=0)
    if not width_s:
        planned = tuple(
            _curve(p, "planned", thinned(p.run.decisions, lambda d: d.latency_s), "steps") for p in policies
        )
        hint = "not measured: what the profile predicts for the best plan at each turn"
        hint += _largest_of(policies[0].run.decisions)
        return Chart("latency", "Latency, planned", "s", planned, hint, limit)
    curves = [_curve(p, "p99", _of(p.bins, lambda b: b.p99_s)) for p in policies]
    if len(policies) == 1:
        curves.insert(0, _curve(policies[0], "p50", _of(policies[0].bins, lambda b: b.p50_s), "faint"))
    hint = f"the worst second of each {width_s} s" if width_s > 1 else "of each second"
    return Chart("latency", "Latency" if len(policies) == 1 else "Latency, p99", "s", tuple(curves), hint, limit)


def _largest_of(decisions: Sequence[Decision]) -> str:
    """What a point of too many turns is, to go on a hint."""
    turns_each = turns_a_point(decisions)
    return f"; of {turns_each} turns the largest" if turns_each > 1 else ""


def _missed(policies: tuple[Told, ...]) -> Chart:
    curves = tuple(_curve(p, "missed", _of(p.bins, lambda b: b.missed_share)) for p in policies)
    return Chart("missed", "Requests that missed the SLO", "share", curves, "late, dropped or failed")


def _cores(run: Run, policies: tuple[Told, ...]) -> Chart:
    curves = tuple(_of_plans(run, p, "cores", p.cores) for p in policies)
    return Chart("cores", "Cost, cores", "cores", curves)


def _accuracy(run: Run, policies: tuple[Told, ...]) -> Chart:
    curves = tuple(_of_plans(run, p, "accuracy", p.accuracy) for p in policies)
    hint = "of the answers" if any(p.bins for p in policies) else "of the plan that ran, where any turn says it"
    return Chart("accuracy", "Accuracy", "share", curves, hint, floor=None)


def _of_plans(run: Run, policy: Told, what: str, points: Points) -> Curve:
    """Means over bins are joined by lines; what a plan says holds until the next one."""
    style: Style = "line" if policy.bins else "steps"
    return _curve(policy, what, tuple(sampled(points, run.duration_s, MOST_POINTS)), style)


def _curve(policy: Told, what: str, points: Points, style: Style = "line") -> Curve:
    return Curve(what, points, policy.colour, style, policy.number)
