"""Certified plans against an enumeration that shares neither search nor percentile with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, product
from math import inf, sqrt
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ipa.domain import Allocation, Config, Fixed, Limits, Objective, Pipeline, Plan, RouterSettings, Stage
from ipa.options import Problem, price
from ipa.policy import POLICIES, Solution, auto, certified
from ipa.policy.rehearsal import Rehearsal, rehearsal
from ipa.simulation.engine import run
from ipa.simulation.stations import Stations, network
from ipa.workload.summary import ANSWERED
from tests.brute_force import feasible_plans
from tests.pipelines import random_chain, two_stages

REQUESTS = 3_000


def config_of(pipeline: Pipeline) -> Config:
    return Config(pipeline, Path())


def short(config: Config, cv: float = 1.0) -> Callable[[Problem], Rehearsal]:
    """The rehearsal with fewer requests, for the speed of the tests."""

    def rehearse(problem: Problem) -> Rehearsal:
        whole = rehearsal(config, problem.rate_rps, cv)
        return replace(whole, arrivals_s=whole.arrivals_s[:REQUESTS])

    return rehearse


def solved(pipeline: Pipeline, rate_rps: float, policy: str = "auto", cv: float = 1.0) -> Solution:
    choose = certified.certified(POLICIES[policy], short(config_of(pipeline), cv), time_limit_s=inf)
    return choose(price(pipeline, rate_rps))


def passes(config: Config, plan: Plan, rehearsed: Rehearsal) -> bool:
    """By the definition, in plain Python: 20 sections, t of 19 degrees of freedom, dropped is infinitely late."""
    arrivals_s, slo = rehearsed.arrivals_s, config.pipeline.slo
    ended = run(network(config), Stations(config).of_plan(plan), arrivals_s)
    latency_s = [inf] * len(arrivals_s)
    for request, at_s, outcome in zip(ended.request.tolist(), ended.at_s.tolist(), ended.outcome.tolist(), strict=True):
        if outcome == ANSWERED:
            latency_s[request] = at_s - arrivals_s[request]

    def percentile(values: list[float]) -> float:
        return sorted(values)[-int(len(values) * (100 - slo.percentile) / 100 + 1e-9) - 1]

    size = len(latency_s) // 20
    whole, parts = percentile(latency_s), [percentile(latency_s[i * size : (i + 1) * size]) for i in range(20)]
    if max(parts) == inf:
        return False
    half = 2.093 * sqrt(fmean((part - whole) ** 2 for part in parts) * 20 / 19 / 20)
    return whole + half <= slo.latency_s + 1e-9


def every_plan(pipeline: Pipeline, rate_rps: float, most: int) -> Iterator[tuple[float, Plan]]:
    """All plans within the limits of up to `most` replicas a stage, the best first."""
    found = []
    for replicas in product(range(1, most + 1), repeat=len(pipeline.stages)):
        fixed = {stage.name: Fixed(replicas=n) for stage, n in zip(pipeline.stages, replicas, strict=True)}
        for value, rows in feasible_plans(pipeline, rate_rps, fixed):
            found.append((value, Plan(tuple(row.allocation for row in rows))))
    yield from sorted(found, key=lambda each: -each[0])


def assert_best(pipeline: Pipeline, rate_rps: float, most: int) -> Solution:
    config, solution = config_of(pipeline), solved(pipeline, rate_rps)
    rehearsed = short(config)(price(pipeline, rate_rps))
    best = next((v for v, plan in every_plan(pipeline, rate_rps, most) if passes(config, plan, rehearsed)), None)
    if solution.evaluation is None:
        assert best is None
        assert solution.status == "infeasible"
        return solution
    plan = solution.evaluation.plan
    assert passes(config, plan, rehearsed)
    assert solution.evaluation.feasible
    if best is not None:
        assert solution.evaluation.objective >= best - 1e-9
    if max(a.replicas for a in plan.allocations) <= most:
        assert best == pytest.approx(solution.evaluation.objective, abs=1e-9)
    return solution


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    slo_s=st.floats(0.03, 0.4),
    rate_rps=st.sampled_from([5.0, 20.0, 31.25, 50.0, 80.0]),
    cores=st.none() | st.integers(2, 8),
    weight=st.sampled_from([1.0, 10.0, 100.0]),
)
def test_it_is_the_best_of_all_plans_that_pass(slo_s: float, rate_rps: float, cores: int | None, weight: float) -> None:
    pipeline = two_stages(Limits(cores=cores, replicas=9), slo_s, Objective(weight, 0.5))
    assume(price(pipeline, rate_rps).stages)
    assert_best(pipeline, rate_rps, most=9)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), tightness=st.sampled_from([1.0, 2.0, 3.0]))
def test_it_is_the_best_on_random_chains(seed: int, tightness: float) -> None:
    chain = random_chain(seed, 2, 2, tightness=tightness, limits=Limits(replicas=5))
    batches = (1, 4, 16)
    small = replace(chain, batches=batches, measurements=tuple(m for m in chain.measurements if m.batch in batches))
    assert_best(small, 20.0, most=5)


def test_it_is_the_best_where_stages_run_side_by_side_and_join() -> None:
    toy = two_stages(Limits(replicas=5), 0.09)
    left, right = toy.stages
    rows = tuple(
        replace(m, stage="join", latency_mean_s=m.latency_mean_s / 2) for m in toy.measurements if m.batch == 1
    )
    stages = (
        left,
        replace(right, after=(), visits=1.0),
        Stage("join", left.variants, ("cpu",), after=("detect", "classify")),
    )
    joined = replace(toy, stages=stages, measurements=(*toy.measurements, *(r for r in rows if r.variant == "small")))
    joined = replace(joined, stages=(*stages[:2], replace(stages[2], variants=stages[2].variants[:1])))
    for rate_rps in (20.0, 50.0):
        assert_best(joined, rate_rps, most=5)


def test_a_branch_is_certified_with_the_requests_that_take_it() -> None:
    toy = two_stages(Limits(replicas=6), 0.12)
    assert_best(replace(toy, stages=(toy.stages[0], replace(toy.stages[1], visits=0.3))), 50.0, most=6)


def test_a_utilisation_of_1_misses_and_one_more_replica_passes() -> None:
    """detect/small carries 100 requests/s at batch 1: with one replica at 100 the queue grows without bound."""
    two = two_stages(Limits(), 0.3, Objective(0.0, 1.0))
    pipeline = replace(two, measurements=tuple(m for m in two.measurements if m.batch == 1))
    plain, sure = auto.solve(price(pipeline, 100.0)), solved(pipeline, 100.0)
    assert plain.evaluation
    assert sure.evaluation
    assert plain.evaluation.plan.total_cores < sure.evaluation.plan.total_cores
    assert sure.certificate
    assert sure.certificate.plans_tried > 1
    assert sure.status == "optimal"
    assert sure.gap == 0.0
    assert "proven best of the plans that pass the simulation" in sure.reason


def test_a_plan_that_passes_anyway_is_left_as_it_is() -> None:
    pipeline = two_stages()
    plain, sure = auto.solve(price(pipeline, 5.0)), solved(pipeline, 5.0)
    assert plain.evaluation == sure.evaluation
    assert sure.certificate
    assert sure.certificate.plans_tried == 1
    assert sure.certificate.latency_s
    assert sure.certificate.slo_share == 1.0


def test_the_answer_is_the_same_every_time() -> None:
    chain = random_chain(8, 3, 5, tightness=2)
    assert solved(chain, 20.0) == solved(chain, 20.0)


def test_more_uneven_arrivals_never_cost_less() -> None:
    pipeline = two_stages(Limits(replicas=30), 0.2)
    plans = [solved(pipeline, 60.0, cv=cv).evaluation for cv in (0.5, 1.0, 2.0, 4.0)]
    objectives = [plan.objective for plan in plans if plan]
    assert len(objectives) == 4
    assert objectives == sorted(objectives, reverse=True)


def test_at_rate_0_the_plan_is_certified_without_a_request() -> None:
    solution = solved(two_stages(), 0.0)
    assert solution.evaluation
    assert [a.replicas for a in solution.evaluation.plan.allocations] == [1, 1]
    assert solution.certificate
    assert solution.certificate.requests == 0


def test_an_slo_below_the_service_time_has_no_plan_to_certify() -> None:
    solution = solved(two_stages(slo_s=0.001), 20.0)
    assert solution == Solution(None, "no feasible plan", "label", "infeasible", None)


def test_no_plan_passes_where_the_limits_leave_too_few_replicas() -> None:
    solution = solved(two_stages(Limits(replicas=1, cores=2), 0.1), 95.0)
    assert solution.evaluation is None
    assert solution.status == "infeasible"
    assert "no plan keeps p99 within 0.1 s in simulation" in solution.reason
    assert solution.certificate
    assert solution.certificate.latency_s is None
    assert solution.certificate.plans_tried >= 1


@pytest.mark.parametrize("policy", ["label", "exhaustive", "milp"])
def test_every_exact_policy_finds_the_same(policy: str) -> None:
    pipeline = two_stages(Limits(replicas=9), 0.15)
    by, auto_s = solved(pipeline, 60.0, policy).evaluation, solved(pipeline, 60.0).evaluation
    assert by
    assert auto_s
    assert by.objective == pytest.approx(auto_s.objective, abs=1e-9)


def test_a_baseline_keeps_what_it_fixes() -> None:
    """rim fixes the replicas, fa2-low the variants; what they leave free is certified."""
    rim = replace(
        two_stages(slo_s=0.15), policies={"rim": {"detect": Fixed(replicas=4), "classify": Fixed(replicas=3)}}
    )
    fixed, low = solved(rim, 80.0, "rim"), solved(two_stages(slo_s=0.15), 95.0, "fa2-low")
    assert fixed.evaluation
    assert [a.replicas for a in fixed.evaluation.plan.allocations] == [4, 3]
    assert low.evaluation
    assert [a.variant for a in low.evaluation.plan.allocations] == ["small", "light"]
    few = replace(rim, policies={"rim": {"detect": Fixed(replicas=1), "classify": Fixed(replicas=1)}})
    assert solved(few, 120.0, "rim").evaluation is None


def test_a_live_plan_that_passes_is_where_the_search_begins() -> None:
    pipeline = random_chain(2, 3, 5, tightness=2)
    config, problem = config_of(pipeline), price(pipeline, 20.0)
    best = solved(pipeline, 20.0).evaluation
    assert best

    def after(live: Plan, time_limit_s: float) -> Solution:
        return certified.certified(auto.solve, short(config), time_limit_s, live)(problem)

    again = after(best.plan, inf)
    assert again.evaluation
    assert again.evaluation.plan == best.plan
    assert again.certificate
    generous = Plan(tuple(replace(a, replicas=a.replicas + 9) for a in best.plan.allocations))
    assert after(generous, inf).evaluation == best
    kept = after(generous, 0.0)
    assert kept.status == "time limit"
    assert kept.evaluation
    assert kept.evaluation.plan == generous
    too_few = Plan(tuple(replace(a, replicas=1) for a in best.plan.allocations))
    assert after(too_few, inf).evaluation == best


def test_a_live_plan_that_the_policy_may_not_choose_is_no_start() -> None:
    pipeline = two_stages(slo_s=0.2)
    free = solved(pipeline, 20.0).evaluation
    assert free
    choose = certified.certified(POLICIES["fa2-low"], short(config_of(pipeline)), inf, free.plan)
    found = choose(price(pipeline, 20.0)).evaluation
    assert found
    assert [a.variant for a in found.plan.allocations] == ["small", "light"]
    assert [a.variant for a in free.plan.allocations] != ["small", "light"]


def test_full_batches_that_wait_are_certified_as_they_wait() -> None:
    pipeline = two_stages(Limits(replicas=9), 0.15)
    config = replace(config_of(pipeline), router=RouterSettings("full", batch_wait_s=0.05))
    solution = certified.certified(auto.solve, short(config), time_limit_s=inf)(price(pipeline, 60.0))
    assert solution.evaluation
    assert passes(config, solution.evaluation.plan, short(config)(price(pipeline, 60.0)))


# --- the time limit ------------------------------------------------------------------------------------------


def limited(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Solution:
    """A clock that moves by a second whenever it is read."""
    clock = count()
    monkeypatch.setattr(certified, "perf_counter", lambda: float(next(clock)))
    chain = random_chain(2, 3, 5, tightness=2)
    return certified.certified(auto.solve, short(config_of(chain)), time_limit_s=seconds)(price(chain, 20.0))


def test_at_the_time_limit_it_is_the_best_so_far_with_the_gap_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    early, late = limited(monkeypatch, 10.0), limited(monkeypatch, 1e6)
    assert (early.status, late.status) == ("time limit", "optimal")
    assert early.reason.startswith("the best plan found within 10 s to pass the simulation")
    assert early.evaluation
    assert late.evaluation
    assert early.bound is not None
    assert early.evaluation.objective <= late.evaluation.objective <= early.bound
    assert early.gap
    assert early.certificate


def test_without_time_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = limited(monkeypatch, 0.0)
    assert nothing.evaluation is None
    assert nothing.status == "time limit"
    assert nothing.reason == "no plan was found within 0 s that passes the simulation (1 plan tried)"


def test_one_more_replica_never_turns_a_plan_that_passes_into_one_that_fails() -> None:
    """What the search takes for granted, on plans near the border."""
    config = config_of(two_stages(slo_s=0.12))
    rehearsed = short(config)(price(config.pipeline, 60.0))
    for small, light, batch in product((1, 2, 3), (1, 2), (1, 4)):
        rows = (("detect", "small", batch, small), ("classify", "heavy", 4, light))
        own = Plan(tuple(Allocation(stage, variant, "cpu", 1, b, n) for stage, variant, b, n in rows))
        if passes(config, own, rehearsed):
            for s in (0, 1):
                more = [replace(a, replicas=a.replicas + (i == s)) for i, a in enumerate(own.allocations)]
                assert passes(config, Plan(tuple(more)), rehearsed)
