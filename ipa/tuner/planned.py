"""What a plan was made for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipa.domain import Plan
from ipa.evaluation import choice_of
from ipa.options import PriceList
from ipa.workload.counts import Counts
from ipa.workload.envelope import TICK_S, Envelope, envelope, ticks_of, widths

SAMPLE_S = 600.0


@dataclass(frozen=True, slots=True)
class Planned:
    """`rate_rps`: λ, the mean rate of the sample. `carried_rps`: the pipeline rate that one replica of each stage
    carries, µ/s. `widths`: the windows of the envelope, in ticks."""

    plan: Plan
    rate_rps: float
    carried_rps: tuple[float, ...]
    widths: tuple[int, ...]
    envelope: Envelope

    @property
    def replicas(self) -> tuple[int, ...]:
        return tuple(a.replicas for a in self.plan.allocations)


def planned_on(prices: PriceList, plan: Plan, ticks: Counts) -> Planned | None:
    """A plan made on a sample; None where the plan holds an option nobody priced or nothing arrives."""
    problem = prices.at(0.0)
    choice = choice_of(problem, plan)
    rate_rps = float(ticks.sum()) / (len(ticks) * TICK_S) if len(ticks) else 0.0
    if choice is None or rate_rps <= 0:
        return None
    picked = list(zip(prices.pipeline.stages, problem.stages, choice, strict=True))
    path_s: dict[str, float] = {}
    for stage, options, k in picked:
        path_s[stage.name] = float(options.latency_s[k]) + max((path_s[p] for p in stage.after), default=0.0)
    carried_rps = tuple(float(options.throughput_rps[k]) / stage.visits for stage, options, k in picked)
    windows = widths(max(path_s.values()))
    return Planned(plan, rate_rps, carried_rps, windows, envelope(ticks, windows))


def planned_for(prices: PriceList, plan: Plan, rate_rps: float, cv: float) -> Planned | None:
    """A plan made for a rate: as sample ten minutes of Gamma arrivals, always the same but for rate and variation."""
    if rate_rps <= 0:
        return None
    gaps = np.random.default_rng(0).gamma(1 / cv**2, cv**2 / rate_rps, int(rate_rps * SAMPLE_S) + 1)
    arrivals_s = np.cumsum(gaps)
    return planned_on(prices, plan, ticks_of(arrivals_s, 0.0, float(arrivals_s[-1])))
