"""Who takes part: a plan made on the sample, and what changes it while the load is live.

cg-mean, cg-peak      the black box for the sample's mean rate or its busiest second, never changed
auto-plan             the optimiser's plan for the mean rate, never changed
inferline-plan        the greedy plan for the sample, never changed
exact-plan            the exact optimiser under the certificate, the greedy plan its first incumbent, never changed
inferline             the greedy plan and its tuner, by the ratio; a new plan when the tuner asks for one
inferline-literal     the same with the paper's own rule
exact                 the exact plan, tuned as inferline is
hpa, kpa              the optimiser's plan for the mean rate under an autoscaler
auto, auto-tuned      the loop of `ipa adapt`, a decision every 10 s; with the tuner between them
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import process_time

import numpy as np

from inferline_evaluation import coarse
from inferline_evaluation.shapes import Load
from ipa.control import Loop
from ipa.domain import Config, Plan
from ipa.options import price_list
from ipa.policy import Solution, inferline
from ipa.policy.fixed import seen_by
from ipa.policy.inferline import Sample
from ipa.policy.rehearsal import Rehearsal, rehearsal_of, warm_up
from ipa.simulation.backtest import Run, row, run
from ipa.simulation.rivals import Rates, Rival, rival
from ipa.simulation.stations import network
from ipa.simulation.world import World
from ipa.tuner import RULES, Tuner, planned_on
from ipa.workload.envelope import ticks_of
from ipa.workload.processes import FloatArray
from ipa.workload.variation import cv_of

STILL = ("cg-mean", "cg-peak", "auto-plan", "inferline-plan", "exact-plan")
MOVING = (*STILL, "inferline", "inferline-literal", "exact", "hpa", "kpa", "auto", "auto-tuned")
TUNED = {"inferline": "ratio", "inferline-literal": "literal", "exact": "ratio"}
LIMIT_S, EXACT_LIMIT_S = 5.0, 8.0  # of a planner
CERTIFYING = 20_000  # arrivals
SELDOM_S = 1e6  # the planner's own interval: it plans when the tuner asks
SEEN_S = 120.0  # of the past, to plan anew on
STEP_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    at_s: FloatArray
    cost_per_hour: FloatArray
    missed: FloatArray
    """Share of the requests of each step that were late or dropped."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """`estimate_s`: the percentile the planner promised; `p99_s`: that of all live requests, inf where it dropped.
    `plan_s`: processor time of the first plan; `actions` that were taken, `simulated` plans."""

    system: str
    missed: float
    cost_per_hour: float
    p99_s: float
    changes: int
    plan_s: float
    estimate_s: float | None
    simulated: int
    start: Plan
    course: Course


def outcome(system: str, config: Config, load: Load, margin: float = 0.0) -> Outcome | None:
    """One system through the live part; None where it has no plan to start with. `margin` is planned for on top."""
    warm_up(network(config))
    began_s = process_time()
    found = _entrant(system, config, load, margin)
    plan_s = process_time() - began_s
    if found is None:
        return None
    entrant, solution = found
    done = run(entrant, load.live_s, load.live_duration_s)
    summary, estimate = row(done), solution.estimate if solution else None
    estimate_s = solution.certificate.latency_s if solution and solution.certificate else None
    if estimate_s is None and estimate is not None:
        estimate_s = estimate.latency_s
    assert summary.slo_share is not None
    return Outcome(
        system,
        1 - summary.slo_share,
        summary.cost / done.duration_s * 3600,
        _p99_s(done),
        summary.changes,
        plan_s,
        estimate_s,
        estimate.simulated if estimate else 0,
        entrant.start,
        _course(done),
    )


def _entrant(system: str, config: Config, load: Load, margin: float) -> tuple[Rival, Solution | None] | None:
    rate_rps = load.sample.rate_rps * (1 + margin)
    if system in ("cg-mean", "cg-peak"):
        box = coarse.plan(config, (1 + margin) * (load.peak_rps if system == "cg-peak" else load.sample.rate_rps))
        return None if box is None else (Rival(system, config, box, None), None)
    if system in ("hpa", "kpa", "auto", "auto-tuned", "auto-plan"):
        return _of_auto(system, config, rate_rps, margin)
    exact = system.startswith("exact")
    solution = (exact_plan if exact else greedy_plan)(config, rate_rps, load.sample, load.cv)
    if solution.evaluation is None:
        return None
    start = solution.evaluation.plan
    if system not in TUNED:
        return Rival(system, config, start, None), solution
    again = exact_plan if exact else greedy_plan
    return Rival(system, config, start, partial(_tuned, config, start, load.sample, TUNED[system], again)), solution


def _of_auto(system: str, config: Config, rate_rps: float, margin: float) -> tuple[Rival, None] | None:
    forecast = replace(config.forecast, margin=margin)
    control = replace(config.control, tuner="ratio" if system == "auto-tuned" else "off")
    changed = replace(config, forecast=forecast, control=control)
    name = {"auto-tuned": "auto", "auto-plan": "static-mean"}.get(system, system)
    found = rival(name, changed, Rates(rate_rps, rate_rps, rate_rps))
    return None if isinstance(found, str) else (found, None)


def greedy_plan(config: Config, rate_rps: float, sample: Sample, cv: float) -> Solution:  # noqa: ARG001 (as exact_plan)
    return inferline.planner("inferline", config, sample, LIMIT_S)(price_list(config.pipeline).at(rate_rps))


def exact_plan(config: Config, rate_rps: float, sample: Sample, cv: float) -> Solution:  # noqa: ARG001 (as greedy_plan)
    """By the certificate's own arrivals, as uneven as the sample's."""

    def rehearse(_: object) -> Rehearsal:
        return certifying(config, rate_rps, cv)

    return inferline.exact("inferline", config, rehearse, EXACT_LIMIT_S)(price_list(config.pipeline).at(rate_rps))


def certifying(config: Config, rate_rps: float, cv: float) -> Rehearsal:
    """The certificate on fewer arrivals than `--certify` takes, so that hundreds of searches end within minutes."""
    gaps = np.random.default_rng(0).gamma(1 / cv**2, cv**2 / rate_rps, CERTIFYING)
    return rehearsal_of(config, np.cumsum(gaps), cv)


Again = Callable[[Config, float, Sample, float], Solution]


def _tuned(config: Config, start: Plan, sample: Sample, rule: str, again: Again, world: World) -> Loop:
    """The low-frequency planner and its tuner; a new plan is made on what arrived last."""
    control = replace(config.control, interval_s=SELDOM_S, hold_s=0.0, tuner=rule)
    prices = price_list(config.pipeline)
    planned = planned_on(prices, start, ticks_of(sample.arrivals_s, 0.0, sample.duration_s))
    load_s = max(v.load_s or 0.0 for s in config.pipeline.stages for v in s.variants)

    def replanned(problem: object, counts: object, live: object) -> Solution:  # noqa: ARG001 (as the loop asks)
        first_s = max(0.0, world.now_s() - SEEN_S)
        first, last = np.searchsorted(world.arrivals_s, (first_s, world.now_s()))
        seen = Sample(world.arrivals_s[first:last] - first_s, world.now_s() - first_s)
        return again(config, problem.rate_rps, seen, cv_of(world.arrivals(SEEN_S)))  # type: ignore[attr-defined]

    return Loop(
        replace(config, control=control),
        inferline.planner("inferline", config, sample, LIMIT_S),
        world,
        world,
        world,
        world.apply,
        seen=partial(seen_by, "inferline"),
        certify=replanned,
        tuner=Tuner(RULES[rule], load_s).on(planned, 0.0),
        traffic=world,
    )


def _p99_s(done: Run) -> float:
    latency_s = np.where(np.isnan(done.result.latency_s), np.inf, done.result.latency_s)
    return float(np.sort(latency_s)[max(0, int(np.ceil(0.99 * len(latency_s))) - 1)])


def _course(done: Run) -> Course:
    at_s = np.arange(0.0, done.duration_s, STEP_S)
    since_s = np.array([each.at_s for each in done.spending])
    cost = np.array([each.cost_per_hour for each in done.spending])[np.searchsorted(since_s, at_s, side="right") - 1]
    step = (done.result.intended_s / STEP_S).astype(int)
    late = ~(done.result.latency_s <= done.config.pipeline.slo.latency_s + 1e-9)
    sent = np.bincount(step, minlength=len(at_s))[: len(at_s)]
    missed = np.bincount(step, weights=late, minlength=len(at_s))[: len(at_s)] / np.maximum(1, sent)
    return Course(at_s, cost, missed)
