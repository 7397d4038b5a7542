"""One run and its numbers: by hand where that is possible, and what always adds up."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.domain import Config, Hardware, Limits, Plan, RouterSettings
from ipa.simulation import engine
from ipa.simulation.backtest import Row, Run, rates_of, row, run
from ipa.simulation.rivals import Rates, Rival, rival
from ipa.simulation.stations import Stations, network
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED
from ipa.workload.trace import counts_per_second
from tests.simulation.toys import plan, toy


def fixed(config: Config, start: Plan, arrivals_s: list[float] | FloatArray, duration_s: float, seed: int = 0) -> Run:
    return run(Rival("plan", config, start, None), np.array(arrivals_s, dtype=np.float64), duration_s, seed)


def ruled(name: str, config: Config, arrivals_s: FloatArray, duration_s: float, seed: int = 0) -> Run:
    found = rival(name, config, rates_of(counts_per_second(arrivals_s, duration_s), duration_s))
    assert isinstance(found, Rival), found
    return run(found, arrivals_s, duration_s, seed)


# --- rates ---------------------------------------------------------------------------------------------------------


def test_rates_are_of_the_first_seconds_of_all_and_of_the_busiest_second() -> None:
    counts = np.array([2] * 10 + [8] * 10 + [5])
    assert rates_of(counts, 20.5) == Rates(2.0, 105 / 20.5, 8.0)
    assert rates_of(np.array([3, 1]), 1.5) == Rates(4 / 1.5, 4 / 1.5, 3.0)
    assert rates_of(np.array([], dtype=np.int64), 0.0) == Rates(0.0, 0.0, 0.0)


# --- by hand -------------------------------------------------------------------------------------------------------


def test_three_requests_by_hand() -> None:
    # large takes 50 ms, light 5 ms: at 0 two at once, at 1 one alone; the SLO is 500 ms.
    got = row(fixed(toy(), plan(("large", 1, 1)), [0.0, 0.0, 1.0], 36.0))
    assert (got.requests, got.answered, got.dropped, got.failed, got.changes) == (3, 3, 0, 0, 0)
    assert [got.slo_share, got.accuracy] == pytest.approx([1.0, 0.9 * 0.8])
    assert [got.mean_s, got.p50_s] == pytest.approx([(0.055 + 0.105 + 0.055) / 3, 0.055])
    assert [got.core_hours, got.cost] == pytest.approx([2 * 36 / 3600, 0.0])
    assert got.objective == pytest.approx(10 * 0.72 - 2 - 2e-6)
    assert got.regret is None


def test_late_and_dropped_requests_miss_the_slo() -> None:
    # 50 ms each, all at once: 0.055, 0.105 … 0.455 are in time, then late, and who would end after 1 s is dropped.
    got = row(fixed(toy(), plan(("large", 1, 1)), [0.0] * 30, 60.0))
    assert (got.answered, got.dropped) == (19, 11)  # the 20th would start at 0.95 and end at 1.005
    assert got.slo_share == pytest.approx(9 / 30)


def test_why_a_request_was_dropped_is_told_in_the_routers_words() -> None:
    done = fixed(replace(toy(), router=RouterSettings(queue_limit=25)), plan(("large", 1, 1)), [0.0] * 30, 60.0)
    dropped = done.result.outcome == DROPPED
    reasons = [done.result.reasons[reason] for reason in done.result.reason[dropped]]
    assert (reasons.count("queue-full"), reasons.count("deadline")) == (4, 7)  # one is in service, 25 wait


def test_an_empty_trace_costs_what_its_plan_costs() -> None:
    got = row(fixed(toy(), plan(("small", 1, 2)), [], 3600.0))
    assert (got.requests, got.core_hours) == (0, 3.0)
    assert (got.slo_share, got.mean_s, got.p99_s, got.accuracy) == (None, None, None, None)


def test_a_trace_without_a_second_is_a_row_of_nothing() -> None:
    got = row(fixed(toy(), plan(("small", 1, 2)), [], 0.0))
    assert (got.requests, got.core_hours, got.cost) == (0, 0.0, 0.0)
    assert row(ruled("auto", toy(), np.empty(0), 0.0)).changes == 0


def test_core_hours_cost_and_objective_are_over_time() -> None:
    config = toy(load_s={"small": 5.0})
    priced = replace(config.pipeline, hardware={"cpu": Hardware("cpu", price_per_core_hour=3.6)})
    config = replace(config, pipeline=replace(priced, limits=Limits(cores=20)))
    # One replica carries 100/s; the forecast of 180/s at 70 s asks for more, which load until 75 s.
    arrivals_s = np.concatenate([np.arange(0, 60, 0.1), np.arange(60, 120, 1 / 180)])
    done = ruled("fa2-low", config, arrivals_s, 120.0)
    assert done.plans[1][0] == 75.0
    assert [s.at_s for s in done.spending][:2] == [0.0, 70.0]
    until = [*[s.at_s for s in done.spending][1:], 120.0]
    by_hand = sum(
        s.cores * (min(end, 120.0) - s.at_s) for s, end in zip(done.spending, until, strict=True) if s.at_s < 120
    )
    got = row(done)
    assert got.core_hours == pytest.approx(by_hand / 3600)
    assert got.cost == pytest.approx(3.6 * by_hand / 3600)
    assert got.changes == len(done.plans) - 1
    ends = [*(at_s for at_s, _ in done.plans[1:]), 120.0]
    worth = [
        (min(end_s, 120.0) - at_s) * (10 * 0.56 - p.total_cores - 1e-6 * sum(a.batch for a in p.allocations))
        for (at_s, p), end_s in zip(done.plans, ends, strict=True)
    ]
    assert got.objective == pytest.approx(sum(worth) / 120)


# --- what always holds ---------------------------------------------------------------------------------------------

ROWS = st.tuples(st.sampled_from(["small", "large"]), st.sampled_from([1, 4]), st.integers(1, 3))


@settings(deadline=None, max_examples=30)
@given(ROWS, st.integers(1, 300), st.integers(0, 99))
def test_a_fixed_plan_is_the_engine_alone(detect: tuple[str, int, int], count: int, seed: int) -> None:
    config, start = toy(), plan(detect)
    arrivals_s = np.sort(np.random.default_rng(seed).uniform(0, 3, count))
    done = fixed(config, start, arrivals_s, 3.0, seed)
    alone = engine.run(network(config), Stations(config).of_plan(start), arrivals_s, seed)
    order = np.argsort(alone.request)
    answered = alone.outcome[order] == ANSWERED
    assert (done.result.outcome == alone.outcome[order]).all()
    assert (done.result.latency_s[answered] == (alone.at_s[order] - arrivals_s)[answered]).all()
    assert np.isnan(done.result.latency_s[~answered]).all()
    assert (done.accuracy[answered] == alone.accuracy[order][answered]).all()


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["auto", "fa2-high", "static-mean", "static-peak", "hpa", "kpa", "oracle"]),
    st.lists(st.tuples(st.floats(1, 40), st.integers(0, 90)), min_size=1, max_size=4),
    st.sampled_from([3, 6, 30]),
    st.integers(0, 99),
)
def test_whatever_happens_it_adds_up(name: str, load: list[tuple[float, int]], cores: int, seed: int) -> None:
    random, parts, duration_s = np.random.default_rng(seed), [np.empty(0)], 0.0
    for span_s, rate_rps in load:
        parts.append(np.sort(random.uniform(duration_s, duration_s + span_s, int(span_s * rate_rps))))
        duration_s += span_s
    arrivals_s = np.concatenate(parts)
    config = toy(Limits(cores=cores), load_s={"small": 1.0, "large": 2.5})
    got = row(ruled(name, config, arrivals_s, duration_s, seed))
    assert got == row(ruled(name, config, arrivals_s, duration_s, seed)), "the same seed"
    assert got.requests == len(arrivals_s) == got.answered + got.dropped + got.failed
    assert got.failed == 0
    if got.requests:
        assert got.slo_share is not None
        assert 0 <= got.slo_share <= got.answered / got.requests
    if got.answered:
        p50_s, p95_s, p99_s = got.p50_s or 0.0, got.p95_s or 0.0, got.p99_s or 0.0
        assert 0.015 - 1e-9 <= p50_s <= p95_s <= p99_s <= config.pipeline.slo.drop_after_s + 0.2
        assert got.accuracy is not None
        assert 0.7 * 0.8 - 1e-9 <= got.accuracy <= 0.9 * 0.95 + 1e-9
    assert 2 * duration_s - 1e-6 <= got.core_hours * 3600 <= (cores + 1) * duration_s + 1e-6


def test_a_row_is_plain_data() -> None:
    got = row(fixed(toy(), plan(("small", 1, 1)), [0.0], 1.0))
    assert all(isinstance(getattr(got, name), int | float | str | None) for name in Row.__slots__)


def test_a_request_takes_less_than_100_bytes_beside_its_arrival() -> None:
    count = 1_000_000
    arrivals_s = np.arange(count) / 1000
    start = plan(("small", 4, 20), ("light", 4, 10))
    tracemalloc.start()
    row(fixed(toy(), start, arrivals_s, count / 1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / count < 100
