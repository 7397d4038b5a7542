"""Rivals side by side: which runs there are, on which arrivals, and what the oracle makes of them."""

from __future__ import annotations

from dataclasses import replace
from weakref import ref

import numpy as np
import pytest

from ipa.domain import Config, ForecastSettings
from ipa.errors import UsageError
from ipa.simulation.backtest import Row, Run, row
from ipa.simulation.comparison import Case, cases, compare, fixed, ways_to_run, with_regret
from ipa.workload.expression import parse
from ipa.workload.trace import Trace, arrival_times, assemble
from tests.simulation.toys import of, plan, toy


def trace(text: str) -> Trace:
    return assemble(parse(text), {})


def paced(*intervals_s: float) -> list[Config]:
    return ways_to_run(toy(), [], intervals_s)


def runs(policies: list[str], intervals_s: list[float], seeds: range) -> list[Run]:
    found = list(compare(paced(*intervals_s), trace("poisson:10x12s"), policies, seeds, "mean"))
    assert all(isinstance(each, Run) for each in found)
    return [each for each in found if isinstance(each, Run)]


def test_policies_come_in_the_order_given_then_intervals_then_seeds() -> None:
    ways = paced(5.0, 2.0)
    assert cases(["auto", "oracle"], ways, range(3, 5)) == [
        Case(policy, way, seed) for policy in ("auto", "oracle") for way in ways for seed in (3, 4)
    ]


def test_the_oracle_forecasts_once_an_interval_whatever_the_predictors() -> None:
    ways = ways_to_run(toy(), [ForecastSettings("ewma"), ForecastSettings("max")], [5.0, 2.0])
    found = [(case.policy, case.config.forecast.predictor) for case in cases(["auto", "oracle"], ways, [0])]
    assert found == [("auto", "ewma")] * 2 + [("auto", "max")] * 2 + [("oracle", "ewma")] * 2


def test_who_does_not_decide_at_the_loops_interval_runs_once_a_seed() -> None:
    once = cases(["static-mean", "hpa"], paced(5.0, 2.0), range(2))
    assert [(case.policy, case.config.control.interval_s, case.seed) for case in once] == [
        ("static-mean", 5.0, 0),
        ("static-mean", 5.0, 1),
        ("hpa", 5.0, 0),
        ("hpa", 5.0, 1),
    ]


def test_every_rival_gets_the_same_arrivals_and_every_seed_others() -> None:
    one, other, third = runs(["auto", "static-peak"], [10.0], range(1)) + runs(["auto"], [10.0], range(1, 2))
    assert (one.result.intended_s == other.result.intended_s).all()
    assert len(third.result.intended_s) != len(one.result.intended_s)
    assert (one.result.intended_s == arrival_times(trace("poisson:10x12s"), 0)).all()


def test_the_interval_is_the_loops() -> None:
    found = runs(["auto"], [1.0, 4.0], range(1))
    times_s = [[turn.at_s for turn in each.turns] for each in found]
    assert times_s == [[float(second) for second in range(13)], [0.0, 4.0, 8.0, 12.0]]
    assert [row(each).interval_s for each in found] == [1.0, 4.0]


def test_the_same_seed_gives_the_same_rows() -> None:
    one, other = ([row(each) for each in runs(["auto", "kpa"], [10.0], range(2))] for _ in range(2))
    assert one == other


def test_a_fixed_plan_is_one_run_a_seed_and_changes_nothing() -> None:
    found = list(fixed(toy(), trace("constant:10x12s"), plan(("small", 1, 2)), range(3), "mean"))
    assert [(each.policy, each.seed, len(each.turns)) for each in found] == [("plan", s, 0) for s in range(3)]
    assert [row(each).core_hours for each in found] == pytest.approx([3 * 12 / 3600] * 3)


def test_drawn_service_times_are_drawn_by_seed() -> None:
    pipeline = toy().pipeline
    spread = tuple(replace(m, latency_p99_s=m.latency_mean_s * 2) for m in pipeline.measurements)
    config = of(replace(pipeline, measurements=spread))
    found = list(fixed(config, trace("constant:5x40s"), plan(("small", 1, 1)), range(2), "quantiles"))
    again = list(fixed(config, trace("constant:5x40s"), plan(("small", 1, 1)), range(2), "quantiles"))
    latencies = [each.result.latency_s.tolist() for each in found]
    assert latencies == [each.result.latency_s.tolist() for each in again]
    assert latencies[0] != latencies[1]


def test_a_policy_without_a_plan_is_a_reason_and_the_others_run() -> None:
    pipeline = toy().pipeline
    config = of(replace(pipeline, slo=replace(pipeline.slo, latency_s=0.020)))
    found = list(compare([config], trace("constant:5x5s"), ["fa2-high", "fa2-low"], range(1), "mean"))
    assert isinstance(found[0], str)
    assert found[0].startswith("fa2-high: no feasible plan at 5 requests/s: slo.latency 0.02 s cannot be met")
    assert isinstance(found[1], Run)


def test_a_policy_that_is_not_known_is_refused_before_anything_is_run() -> None:
    with pytest.raises(UsageError, match="--policy 'best' is not known"):
        next(compare([toy()], trace("constant:5x5s"), ["auto", "best"], range(1), "mean"))


def test_a_run_that_was_taken_is_not_held_on_to() -> None:
    """However many runs there are, one is in memory at a time."""
    alive: list[ref[np.ndarray]] = []

    def taken(each: Run | str) -> str:
        assert isinstance(each, Run)
        assert [old for old in alive if old() is not None] == []
        alive.append(ref(each.result.latency_s))
        return each.policy

    found = compare([toy()], trace("constant:5x5s"), ["auto", "hpa", "static-mean"], range(2), "mean")
    assert len(list(map(taken, found))) == 6


def test_regret_is_what_a_row_lacks_to_the_oracle_of_its_seed_at_its_best_interval() -> None:
    base = row(runs(["auto"], [10.0], range(1))[0])

    def one(policy: str, seed: int, interval_s: float, objective: float) -> Row:
        return replace(base, policy=policy, seed=seed, interval_s=interval_s, objective=objective)

    rows = [
        one("auto", 0, 10, 3.0),
        one("oracle", 0, 10, 4.0),
        one("oracle", 0, 5, 5.0),
        one("auto", 1, 10, 3.0),
        one("oracle", 1, 10, 3.5),
        one("auto", 2, 10, 3.0),
    ]
    assert [each.regret for each in with_regret(rows)] == [2.0, 1.0, 0.0, 0.5, 0.0, None]
    assert with_regret(rows[:1]) == rows[:1]
