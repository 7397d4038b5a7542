"""The demo pipeline on virtual time: a load that steps up and down, one beyond the limits, and who loses what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipa.adapters.files import load_config
from ipa.domain import Config, Fixed, Plan, Slo
from ipa.simulation.backtest import Run, rates_of, row, run
from ipa.simulation.rivals import Rival, rival
from ipa.workload.expression import parse
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, DROPPED
from ipa.workload.trace import arrival_times, assemble, counts_per_second
from tests.simulation.test_stations import graph
from tests.simulation.toys import of

CONFIG = Path(__file__).parents[2] / "configs" / "digits.yaml"
LOW_PEAK_LOW = "poisson:6x60s+poisson:150x60s+poisson:6x60s"


@pytest.fixture(scope="module")
def digits() -> Config:
    return load_config(CONFIG)


def with_cores(config: Config, cores: float) -> Config:
    return replace(config, pipeline=replace(config.pipeline, limits=replace(config.pipeline.limits, cores=cores)))


def with_variants(config: Config, **variant: str) -> Config:
    fixed = {stage: Fixed(variant=name) for stage, name in variant.items()}
    return replace(config, pipeline=replace(config.pipeline, policies={"static": fixed}))


def story(config: Config, policy: str, text: str, seed: int = 0) -> Run:
    trace = assemble(parse(text), {})
    arrivals_s: FloatArray = arrival_times(trace, seed)
    rates = rates_of(counts_per_second(arrivals_s, trace.duration_s), trace.duration_s)
    found = rival(policy, config, rates)
    assert isinstance(found, Rival), found
    return run(found, arrivals_s, trace.duration_s, seed)


def detectors(plan: Plan) -> int:
    return plan.stage("detect").replicas


def load_s(config: Config) -> float:
    return max(v.load_s or 0.0 for stage in config.pipeline.stages for v in stage.variants)


def test_a_step_up_brings_replicas_within_an_interval_and_a_load_time(digits: Config) -> None:
    config = with_variants(with_cores(digits, 20), detect="ens-xl", classify="lstm-l")
    done = story(config, "static", LOW_PEAK_LOW)
    grown_s, grown = next((at_s, plan) for at_s, plan in done.plans if detectors(plan) > 1)
    assert 60 < grown_s <= 60 + config.control.interval_s + load_s(config)
    assert detectors(grown) > detectors(done.plans[0][1])
    most = max(detectors(plan) for _, plan in done.plans)
    assert most * 31.43 * 0.7 >= 150  # at 70 % of its throughput in the profile
    assert not any("overload" in turn.decision.reason for turn in done.turns)


def test_a_step_down_takes_them_away_after_the_hold(digits: Config) -> None:
    config = with_variants(with_cores(digits, 20), detect="ens-xl", classify="lstm-l")
    config = replace(config, control=replace(config.control, hold_s=20.0))
    done = story(config, "static", f"{LOW_PEAK_LOW}+poisson:6x30s")
    first, (_, last) = done.plans[0][1], done.plans[-1]
    peak = max(detectors(plan) for _, plan in done.plans)
    fewer_s = next(at_s for at_s, plan in done.plans if at_s > 120 and detectors(plan) < peak)
    assert fewer_s >= 120 + config.control.hold_s
    assert detectors(last) == detectors(first)
    held = [turn.decision.reason for turn in done.turns if 120 < turn.at_s < fewer_s]
    assert any("of 20 s" in reason for reason in held)
    assert done.spending[-1].cores == last.total_cores


def test_without_more_cores_it_moves_to_lighter_models_and_back(digits: Config) -> None:
    done = story(digits, "auto", "poisson:6x60s+poisson:60x60s+poisson:6x60s")
    accuracy = {v.name: v.accuracy for v in digits.pipeline.stages[0].variants}
    names = [plan.stage("detect").variant for _, plan in done.plans]
    assert min(accuracy[name] for name in names) < accuracy[names[0]]
    assert names[-1] == names[0]
    assert all(each.cores <= 3 for each in done.spending)  # the limit and a replica's surge
    assert {turn.outcome.detail for turn in done.turns if turn.outcome is not None} == {""}


def test_a_load_beyond_the_limits_is_overload_and_every_drop_is_accounted_for(digits: Config) -> None:
    done = story(digits, "auto", "poisson:6x20s+poisson:9000x20s")
    assert any(turn.decision.reason.startswith("overload: ") for turn in done.turns)
    got = row(done)
    assert got.dropped > 0
    assert got.requests == got.answered + got.dropped
    reasons = np.array(done.result.reasons)[done.result.reason]
    assert set(reasons[done.result.outcome == DROPPED].tolist()) <= {"deadline", "queue-full"}
    assert set(reasons[done.result.outcome == ANSWERED].tolist()) == {""}
    assert got.slo_share is not None
    assert got.slo_share < 0.8


def test_changes_within_the_capacity_lose_no_request(digits: Config) -> None:
    done = story(with_cores(digits, 20), "auto", "poisson:20x40s+poisson:40x40s+poisson:10x60s")
    assert row(done).changes >= 2
    assert (done.result.outcome == ANSWERED).all()


def branching() -> Config:
    """a → (b for 3 in 10, c for all) → d, of a model each."""
    pipeline = graph(("a", (), 1.0), ("b", ("a",), 0.3), ("c", ("a",), 1.0), ("d", ("b", "c"), 1.0))
    a, b, c, d = pipeline.stages
    stages = (a, replace(b, variants=(replace(b.variants[0], accuracy=0.5),)), c, d)
    return of(replace(pipeline, stages=stages, slo=Slo(0.5, 1.0)))


def test_a_graph_with_a_branch_runs_the_branch_for_its_share(digits: Config) -> None:
    done = story(branching(), "auto", "constant:20x200s")
    took_b = np.isclose(done.accuracy, 0.9**3 * 0.5)
    others = np.isclose(done.accuracy, 0.9**3)
    assert (took_b | others).all()
    assert np.mean(took_b) == pytest.approx(0.3, abs=0.03)  # 4,000 requests: 4 deviations
    # Three stages of 10 ms, b and c at the same time.
    assert np.quantile(done.result.latency_s, [0, 1]) == pytest.approx([0.030, 0.030])


def test_all_rivals_face_the_same_step_and_none_loses_count(digits: Config) -> None:
    config = with_cores(digits, 12)
    names = ("auto", "static-mean", "static-peak", "hpa", "kpa", "oracle")
    rows = [row(story(config, name, LOW_PEAK_LOW)) for name in names]
    assert len({each.requests for each in rows}) == 1
    assert all(each.requests == each.answered + each.dropped for each in rows)
    by_name = {each.policy: each for each in rows}
    assert by_name["static-mean"].changes == by_name["static-peak"].changes == 0
    assert (by_name["oracle"].slo_share or 0) >= (by_name["static-mean"].slo_share or 0)
    assert (by_name["static-peak"].slo_share or 0) >= (by_name["static-mean"].slo_share or 0)
