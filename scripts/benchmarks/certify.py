"""Certified plans: how long they take, how often the plain optimum misses its percentile, and what being sure costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.rows import ROOT, Row, seconds
from ipa.adapters.files import load_config
from ipa.domain import Config, Limits, Pipeline, Plan
from ipa.options import price
from ipa.policy import Solution, auto
from ipa.policy.certified import certified
from ipa.policy.rehearsal import rehearsal, warm_up
from ipa.simulation.engine import run as simulate
from ipa.simulation.stations import Stations, network
from ipa.workload.summary import ANSWERED, in_time
from tests.hard_pipelines import wide_chain
from tests.pipelines import random_chain

PAPER = ("video", "audio-qa", "audio-sent", "sum-qa", "nlp")
RATES_RPS = (5.0, 10.0, 20.0, 40.0)
MANY = 200
FRESH = 3  # runs of other arrivals, of as many requests as certified it
FRESH_SEED = 1_000


@dataclass(frozen=True, slots=True)
class Compared:
    plain: Solution
    sure: Solution
    seconds: float
    plain_share: float
    sure_share: float


def run() -> Iterator[Row]:
    warm_up()
    yield from _paper()
    chains = _compared(_chains)
    yield _row(f"{MANY} random chains of 2 to 4 stages at 10 to 40 requests/s", chains)
    yield _row(f"{MANY} such chains with at most 80 % of each server in use", _compared(_within(0.8)))


def _paper() -> Iterator[Row]:
    for name in PAPER:
        config = load_config(ROOT / "configs" / f"{name}.yaml")
        times_s, tried = [], []
        for rate_rps in RATES_RPS:
            found: list[Solution] = []
            times_s.append(seconds(lambda: found.append(_certified(config, rate_rps))))  # noqa: B023 - called at once
            tried.append(found[0].certificate.plans_tried if found[0].certificate else 0)
        yield {
            "name": f"certified decision of {name} at {', '.join(f'{rate:g}' for rate in RATES_RPS)} requests/s",
            "kind": "decision",
            "seconds": [round(each, 3) for each in times_s],
            "plans_tried": tried,
        }


def _certified(config: Config, rate_rps: float) -> Solution:
    return certified(auto.solve, lambda problem: rehearsal(config, problem.rate_rps))(price(config.pipeline, rate_rps))


Pipelines = Callable[[], Iterator[tuple[Pipeline, float]]]


def _chains() -> Iterator[tuple[Pipeline, float]]:
    """Chains and rates, some tight, some with many options."""
    for seed in count():
        random = Random(seed)
        rate_rps, stages = random.choice((10.0, 20.0, 40.0)), random.choice((2, 3, 4))
        if seed % 4 == 3:
            yield wide_chain(seed, stages, 3, ("cpu",)), rate_rps
        else:
            yield random_chain(seed, stages, 5, tightness=random.choice((0.5, 1, 2))), rate_rps


def _within(utilisation: float) -> Pipelines:
    def chains() -> Iterator[tuple[Pipeline, float]]:
        for pipeline, rate_rps in _chains():
            yield replace(pipeline, limits=Limits(utilisation=utilisation)), rate_rps

    return chains


def _compared(pipelines: Pipelines) -> list[Compared]:
    """The first MANY that have a plan."""
    found: list[Compared] = []
    for pipeline, rate_rps in pipelines():
        plain = auto.solve(price(pipeline, rate_rps))
        if plain.evaluation is None:
            continue
        config, sure = Config(pipeline, Path()), []
        taken_s = seconds(lambda: sure.append(_certified(config, rate_rps)))  # noqa: B023 - called at once
        best = sure[0].evaluation
        found.append(
            Compared(
                plain,
                sure[0],
                taken_s,
                _fresh_share(config, plain.evaluation.plan, rate_rps),
                _fresh_share(config, best.plan, rate_rps) if best else 0.0,
            )
        )
        if len(found) == MANY:
            break
    return found


def _fresh_share(config: Config, plan: Plan, rate_rps: float) -> float:
    """Of the requests of runs that no plan was chosen by: the share answered within the SLO."""
    stations, shares = Stations(config).of_plan(plan), []
    for seed in range(FRESH_SEED, FRESH_SEED + FRESH):
        arrivals_s = rehearsal(config, rate_rps, seed=seed).arrivals_s
        ended = simulate(network(config), stations, arrivals_s, seed)
        answered = ended.outcome == ANSWERED
        latency_s = ended.at_s[answered] - arrivals_s[ended.request[answered]]
        shares.append(np.count_nonzero(in_time(latency_s, config.pipeline.slo.latency_s)) / len(arrivals_s))
    return float(np.mean(shares))


def _row(name: str, all_of: Sequence[Compared]) -> Row:
    found = [each for each in all_of if each.sure.evaluation]
    extra = [_cores(each.sure) / _cores(each.plain) - 1 for each in found]
    times_s = [each.seconds for each in all_of]
    return {
        "name": name,
        "kind": "certified",
        "plain_optimum_misses": sum(each.plain_share < 0.99 for each in all_of),
        "certified_misses": sum(each.sure_share < 0.99 for each in found),
        "certified_least_share": round(min(each.sure_share for each in found), 5),
        "without_a_certified_plan": len(all_of) - len(found),
        "not_proven_in_10_s": sum(each.sure.status == "time limit" for each in all_of),
        "extra_cores_mean": round(float(np.mean(extra)), 4),
        "extra_cores_median": round(float(np.median(extra)), 4),
        "seconds_median": round(float(np.median(times_s)), 3),
        "seconds_p95": round(float(np.quantile(times_s, 0.95)), 3),
    }


def _cores(solution: Solution) -> float:
    assert solution.evaluation
    return solution.evaluation.cost_cores
