"""One rival through one trace, and the numbers of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from ipa.control import Turn
from ipa.domain import Config, Plan
from ipa.evaluation import evaluate_live
from ipa.options import price_list
from ipa.simulation.autoscalers import AUTOSCALERS
from ipa.simulation.engine import Finished
from ipa.simulation.rivals import Rates, Rival
from ipa.simulation.world import Spending, World
from ipa.workload.counts import Counts
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, UNKNOWN, UNSENT, LoadResult, summarise

REASONS = ("", "deadline", "queue-full")  # in the router's words
FIRST_SECONDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What became of every request, what was decided, and what existed when. `accuracy`: of each answer, NaN none."""

    config: Config
    policy: str
    seed: int
    duration_s: float
    result: LoadResult
    accuracy: FloatArray
    turns: tuple[Turn, ...]
    spending: tuple[Spending, ...]
    plans: tuple[tuple[float, Plan], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison. `cost` is money, `objective` the mean over time of the plans that ran.

    `predictor`: who forecast, with @ the quantile if one was asked for.
    """

    policy: str
    seed: int
    requests: int
    answered: int
    dropped: int
    failed: int
    slo_share: float | None
    mean_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    accuracy: float | None
    core_hours: float
    cost: float
    changes: int
    objective: float
    interval_s: float
    regret: float | None = None
    predictor: str | None = None


def rates_of(counts: Counts, duration_s: float) -> Rates:
    """`counts` are the requests of each second of a trace."""
    first = counts[:FIRST_SECONDS]
    return Rates(
        first_rps=float(first.sum()) / min(len(first), duration_s) if duration_s > 0 else 0.0,
        mean_rps=float(counts.sum()) / duration_s if duration_s > 0 else 0.0,
        peak_rps=float(counts.max(initial=0)),
    )


def run(rival: Rival, arrivals_s: FloatArray, duration_s: float, seed: int = 0, service: str = "mean") -> Run:
    """`rival` through the whole trace; then the queues drain."""
    world = World(rival.config, rival.start, arrivals_s, duration_s, seed, service, rival.watches)
    turns: list[Turn] = []
    plans = [(0.0, rival.start)]
    if rival.loop is not None and duration_s > 0:
        for turn in rival.loop(world).turns(duration_s):
            turns.append(turn)
            if turn.outcome is not None and turn.outcome.applied:
                plans.append((world.now_s(), world.plan))
    world.sleep_until(duration_s)
    world.drain()
    result, accuracy = _result(arrivals_s, world.finished)
    spending = tuple(world.spending)
    return Run(rival.config, rival.name, seed, duration_s, result, accuracy, tuple(turns), spending, tuple(plans))


def row(done: Run) -> Row:
    pipeline = done.config.pipeline
    summary = summarise(done.result, pipeline.slo.latency_s, None)
    answers = done.accuracy[done.result.outcome == ANSWERED]
    return Row(
        policy=done.policy,
        seed=done.seed,
        requests=summary.sent,
        answered=summary.answered,
        dropped=summary.dropped,
        failed=summary.failed,
        slo_share=summary.slo_share,
        mean_s=summary.mean_s,
        p50_s=summary.p50_s,
        p95_s=summary.p95_s,
        p99_s=summary.p99_s,
        accuracy=float(answers.mean()) if len(answers) else None,
        core_hours=_over_time([(s.at_s, s.cores / 3600) for s in done.spending], done.duration_s),
        cost=_over_time([(s.at_s, s.cost_per_hour / 3600) for s in done.spending], done.duration_s),
        changes=len(done.plans) - 1,
        objective=_mean_objective(done),
        interval_s=done.config.control.interval_s,
        predictor=_predictor(done),
    )


def _predictor(done: Run) -> str | None:
    forecast = done.config.forecast
    if not done.turns or done.policy in AUTOSCALERS:
        return None
    return forecast.predictor if forecast.quantile is None else f"{forecast.predictor}@{forecast.quantile:g}"


def _mean_objective(done: Run) -> float:
    """At the price of the plans alone: what they could not serve shows in slo_share."""
    problem = price_list(done.config.pipeline).at(1.0)  # the objective of a plan does not depend on the rate
    values = []
    for at_s, plan in done.plans:
        judged = evaluate_live(problem, plan)
        values.append((at_s, float("nan") if judged is None else judged.objective))
    return _over_time(values, done.duration_s) / done.duration_s if done.duration_s > 0 else values[0][1]


def _over_time(values: Sequence[tuple[float, float]], until_s: float) -> float:
    """∫ of what holds each of `values` from its time on, from 0 to `until_s`."""
    ends = [at_s for at_s, _ in values[1:]] + [until_s]
    spans = zip(values, ends, strict=True)
    return fsum(value * max(0.0, min(end_s, until_s) - at_s) for (at_s, value), end_s in spans)


def _result(arrivals_s: FloatArray, finished: Sequence[Finished]) -> tuple[LoadResult, FloatArray]:
    count = len(arrivals_s)
    latency_s, accuracy = np.full(count, np.nan), np.full(count, np.nan)
    outcome = np.full(count, UNSENT, dtype=np.int8)
    reason = np.zeros(count, dtype=np.uint8)
    for part in finished:
        outcome[part.request] = part.outcome
        answered = part.outcome == ANSWERED
        requests = part.request[answered]
        latency_s[requests] = part.at_s[answered] - arrivals_s[requests]
        accuracy[requests] = part.accuracy[answered]
        reason[part.request[~answered]] = np.where(part.full[~answered], 2, 1)
    unmatched = np.full(count, UNKNOWN, dtype=np.int8)
    result = LoadResult(arrivals_s, np.zeros(count), latency_s, outcome, unmatched, reason, REASONS)
    return result, accuracy
