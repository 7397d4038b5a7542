"""Certified plans: how long they take, how often the plain optimum misses its percentile, and what being sure costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.rows import ROOT, Row, seconds
from ipa.adapters.files import load_config
from ipa.domain import Config, Limits, Plan
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
MARGINS = (0.9, 0.8, 0.7)  # rules of thumb


@dataclass(frozen=True, slots=True)
class Tried:
    """A plan on fresh arrivals; `share` of them was in time, of no plan none. `cores` are those of the plain optimum
    where there is no plan."""

    share: float
    cores: float


@dataclass(frozen=True, slots=True)
class Compared:
    plain: Tried
    sure: Tried
    margins: dict[float, Tried]
    solution: Solution
    seconds: float


def run() -> Iterator[Row]:
    warm_up(network(load_config(ROOT / "configs" / "video.yaml")))
    yield from _paper()
    all_of = [_compared(config, rate_rps) for config, rate_rps in islice(_with_a_plan(), MANY)]
    on = f"{MANY} random chains of 2 to 4 stages at 10 to 40 requests/s"
    yield _missed(f"the plain optimum of {on}", [(each.plain, each.plain) for each in all_of])
    for utilisation in MARGINS:
        pairs = [(each.margins[utilisation], each.plain) for each in all_of]
        yield _missed(f"the optimum at limits.utilisation {utilisation:g} of {on}", pairs)
    times_s = [each.seconds for each in all_of]
    yield _missed(f"the certified optimum of {on}", [(each.sure, each.plain) for each in all_of]) | {
        "not_proven_in_10_s": sum(each.solution.status == "time limit" for each in all_of),
        "seconds_median": round(float(np.median(times_s)), 3),
        "seconds_p95": round(float(np.quantile(times_s, 0.95)), 3),
    }


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


def _with_a_plan() -> Iterator[tuple[Config, float]]:
    """Chains and rates, some tight, some with many options."""
    for seed in count():
        random = Random(seed)
        rate_rps, stages = random.choice((10.0, 20.0, 40.0)), random.choice((2, 3, 4))
        if seed % 4 == 3:
            pipeline = wide_chain(seed, stages, 3, ("cpu",))
        else:
            pipeline = random_chain(seed, stages, 5, tightness=random.choice((0.5, 1, 2)))
        if auto.solve(price(pipeline, rate_rps)).evaluation:
            yield Config(pipeline, Path()), rate_rps


def _compared(config: Config, rate_rps: float) -> Compared:
    found: list[Solution] = []
    taken_s = seconds(lambda: found.append(_certified(config, rate_rps)))
    plain = auto.solve(price(config.pipeline, rate_rps))
    assert plain.evaluation
    cores = plain.evaluation.cost_cores
    margins = {u: auto.solve(price(replace(config.pipeline, limits=Limits(utilisation=u)), rate_rps)) for u in MARGINS}
    return Compared(
        _tried(config, rate_rps, plain, cores),
        _tried(config, rate_rps, found[0], cores),
        {u: _tried(config, rate_rps, solution, cores) for u, solution in margins.items()},
        found[0],
        taken_s,
    )


def _tried(config: Config, rate_rps: float, solution: Solution, cores: float) -> Tried:
    best = solution.evaluation
    return Tried(_fresh_share(config, best.plan, rate_rps), best.cost_cores) if best else Tried(0.0, cores)


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


def _missed(name: str, pairs: Sequence[tuple[Tried, Tried]]) -> Row:
    """Of (subject, plain optimum): how many miss p99 on fresh arrivals, and the cores beyond the plain ones."""
    extra = [subject.cores / plain.cores - 1 for subject, plain in pairs]
    return {
        "name": name,
        "kind": "certified",
        "misses": sum(subject.share < 0.99 for subject, _ in pairs),
        "of": len(pairs),
        "least_share": round(min(subject.share for subject, _ in pairs), 4),
        "extra_cores_mean": round(float(np.mean(extra)), 4),
        "extra_cores_median": round(float(np.median(extra)), 4),
    }
