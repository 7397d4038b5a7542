"""InferLine's planner: its plans pass an independent run of the sample, and no single action makes them cheaper."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ipa.domain import Config, Fixed, Hardware, Limits, Objective, Pipeline, Plan, Slo, Stage, Variant
from ipa.errors import UsageError
from ipa.options import price
from ipa.policy import NAMES, Solution, inferline, policy_named, policy_of
from ipa.policy.inferline import PLANNERS, Sample, exact, planner
from ipa.policy.rehearsal import rehearsal
from ipa.simulation.engine import run
from ipa.simulation.stations import Stations, network
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED
from tests.pipelines import measurement, pipelines, two_stages

MONEY = Objective(1.0, 1.0, 1e-6, unit="money")
HARDWARE = {"cpu": Hardware("cpu", 0.04), "gpu": Hardware("gpu", 0.0, 2.5), "old": Hardware("old", 0.0, 0.9)}


def sampled(rate_rps: float, seconds: float = 120.0, cv: float = 1.0, seed: int = 0) -> Sample:
    gaps = np.random.default_rng(seed).gamma(1 / cv**2, cv**2 / rate_rps, int(rate_rps * seconds))
    arrivals_s = np.cumsum(gaps)
    return Sample(arrivals_s, float(arrivals_s[-1]) + 1 / rate_rps)


def planned(pipeline: Pipeline, sample: Sample, name: str = "inferline") -> Solution:
    return planner(name, Config(pipeline, Path()), sample)(price(pipeline, sample.rate_rps))


def missed(pipeline: Pipeline, plan: Plan, arrivals_s: FloatArray) -> float:
    """The share of a sample that is late or dropped, by the engine alone."""
    config = Config(pipeline, Path())
    ended = run(network(config), Stations(config).of_plan(plan), arrivals_s)
    taken_s = np.where(ended.outcome == ANSWERED, ended.at_s - arrivals_s[ended.request], inf)
    return float(np.mean(taken_s > pipeline.slo.latency_s + 1e-9))


def on_hardware(slo_s: float = 0.3) -> Pipeline:
    """One stage on three kinds of hardware: the dearer the faster, and the more it gains by batches."""
    rows = [
        measurement("only", "m", b, base * (fixed + (1 - fixed) * b), hardware=kind)
        for kind, base, fixed in (("gpu", 0.01, 0.9), ("old", 0.03, 0.6), ("cpu", 0.1, 0.1))
        for b in (1, 2, 4, 8)
    ]
    stage = Stage("only", (Variant("m", 0.9),), tuple(HARDWARE))
    slo = Slo(slo_s, 2 * slo_s)
    return Pipeline("one", (stage,), slo, MONEY, hardware=HARDWARE, measurements=tuple(rows))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=st.sampled_from([2.0, 20.0]), cv=st.sampled_from([1.0, 3.0]))
def test_a_plan_passes_its_sample_and_no_replica_can_go(pipeline: Pipeline, rate_rps: float, cv: float) -> None:
    stages = tuple(replace(stage, visits=min(1.0, stage.visits)) for stage in pipeline.stages)
    pipeline = replace(pipeline, stages=stages, limits=Limits(), hardware={})
    assume(_can_be_simulated(pipeline))
    sample = sampled(rate_rps, 60.0, cv)
    found = planned(pipeline, sample)
    best = found.evaluation
    if best is None:
        assert found.reason.startswith("no feasible plan")
        return
    assert best.feasible
    assert missed(pipeline, best.plan, sample.arrivals_s) <= 0.01
    assert found.estimate is not None
    for s, a in enumerate(best.plan.allocations):
        if a.replicas > 1:
            fewer = list(best.plan.allocations)
            fewer[s] = replace(a, replicas=a.replicas - 1)
            overloaded = (a.replicas - 1) * _rate_rps(pipeline, a.stage, a.server, a.batch) < (
                sample.rate_rps * pipeline.stage(a.stage).visits
            )
            assert overloaded or missed(pipeline, Plan(tuple(fewer)), sample.arrivals_s) > 0.01
    assert planned(pipeline, sample).evaluation == best


def _rate_rps(pipeline: Pipeline, stage: str, server: tuple[str, str, int], batch: int) -> float:
    [row] = [
        m
        for m in pipeline.measurements
        if (m.stage, m.variant, m.hardware, m.cores, m.batch) == (stage, *server, batch)
    ]
    return row.rate_rps * (1 + pipeline.latency.throughput_margin)


def _can_be_simulated(pipeline: Pipeline) -> bool:
    try:
        network(Config(pipeline, Path()))
    except UsageError:
        return False
    return True


def test_the_plan_is_cheaper_than_its_fastest_hardware_and_says_how_it_came_about() -> None:
    found = planned(on_hardware(), sampled(30.0))
    assert found.evaluation is not None and found.estimate is not None
    assert found.evaluation.cost_per_hour < 2.5
    names = [action.name for action in found.estimate.actions]
    assert names[0] == "Initialise"
    assert "DowngradeHW" in names
    costs = [action.cost for action in found.estimate.actions]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(found.evaluation.cost_per_hour)
    assert found.estimate.simulated <= found.estimate.asked


def test_the_last_pass_leaves_no_batch_that_could_be_smaller() -> None:
    pipeline, sample = on_hardware(), sampled(5.0)
    [allocation] = planned(pipeline, sample).evaluation.plan.allocations  # type: ignore[union-attr]
    if allocation.batch > 1:
        smaller = Plan((replace(allocation, batch=allocation.batch // 2),))
        assert missed(pipeline, smaller, sample.arrivals_s) > 0.01


def test_uneven_arrivals_cost_more_at_the_same_rate() -> None:
    costs = []
    for cv in (1.0, 4.0):
        best = planned(on_hardware(0.15), sampled(40.0, cv=cv)).evaluation
        assert best is not None
        costs.append(best.cost_per_hour)
    assert costs[0] < costs[1]


def test_an_slo_below_the_fastest_servers_is_refused_without_a_simulation() -> None:
    found = planned(on_hardware(0.005), sampled(5.0))
    assert found.evaluation is None
    assert found.reason == "no feasible plan: alone its fastest servers take 0.01 s of 0.005 s"
    assert found.estimate is not None and found.estimate.simulated == 0


def test_a_limit_that_the_cheapest_plan_breaks_is_named() -> None:
    limited = replace(on_hardware(0.15), limits=Limits(cost_per_hour=0.01))
    found = planned(limited, sampled(40.0))
    assert found.evaluation is None
    assert "breaks cost_per_hour" in found.reason


def test_replicas_stay_within_their_limit() -> None:
    limited = replace(on_hardware(), limits=Limits(replicas=1))
    best = planned(limited, sampled(60.0)).evaluation
    assert best is not None and best.plan.allocations[0].replicas == 1
    assert planned(limited, sampled(2000.0)).evaluation is None


def test_variants_are_those_of_the_config_else_the_most_accurate() -> None:
    pipeline = replace(two_stages(), policies={"inferline": {"detect": Fixed("small")}})
    best = planned(pipeline, sampled(20.0)).evaluation
    assert best is not None
    assert [a.variant for a in best.plan.allocations] == ["small", "heavy"]


def test_the_optimiser_may_choose_the_variants_first() -> None:
    cheap = two_stages(objective=Objective(0.0, 1.0))
    assert [a.variant for a in planned(cheap, sampled(60.0), "inferline-auto").evaluation.plan.allocations] == [  # type: ignore[union-attr]
        "small",
        "light",
    ]


@pytest.mark.parametrize("name", PLANNERS)
def test_without_requests_one_replica_each_is_enough(name: str) -> None:
    pipeline = two_stages()
    best = policy_of(name, Config(pipeline, Path()))(price(pipeline, 0.0)).evaluation
    assert best is not None
    assert [a.replicas for a in best.plan.allocations] == [1, 1]


@pytest.mark.parametrize("cv", [1.0, 4.0])
def test_the_exact_search_is_never_dearer_than_the_greedy_one_under_the_same_certificate(cv: float) -> None:
    pipeline = on_hardware(0.2)
    config = Config(pipeline, Path())
    found = exact("inferline", config, lambda p: rehearsal(config, p.rate_rps, cv))(price(pipeline, 40.0))
    assert found.certificate is not None and found.estimate is not None and found.evaluation is not None
    assert found.evaluation.cost_per_hour <= found.estimate.actions[-1].cost + 1e-9
    assert found.certificate.latency_s is not None and found.certificate.latency_s <= 0.2


def test_a_deadline_ends_the_search_with_the_plan_so_far() -> None:
    config = Config(on_hardware(), Path())
    found = planner("inferline", config, sampled(30.0), time_limit_s=0.0)(price(config.pipeline, 30.0))
    assert (found.status, found.evaluation is not None) == ("time limit", True)


def test_a_policy_that_simulates_needs_its_config() -> None:
    assert set(PLANNERS) <= set(NAMES)
    with pytest.raises(UsageError, match="--policy inferline simulates one pipeline"):
        policy_named("inferline")


def test_a_sample_is_stretched_to_the_rate_asked_for() -> None:
    sample = inferline.of_counts([4, 0, 8])
    assert sample.rate_rps == 4
    stretched = sample.at(8.0)
    assert len(stretched) == 12
    assert stretched[-1] == pytest.approx(sample.arrivals_s[-1] / 2)
