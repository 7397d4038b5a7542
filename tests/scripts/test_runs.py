"""What is reported of a run is what its requests say, under both rules, and the same on any number of processes."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from paper_evaluation import preference
from paper_evaluation.cases import Case, configured, read_config
from paper_evaluation.runs import outcome, run_all, run_case
from paper_evaluation.workloads import loads

from ipa.simulation.backtest import Run
from ipa.simulation.comparison import compare
from ipa.workload.counts import Counts
from ipa.workload.summary import ANSWERED, DROPPED
from ipa.workload.trace import CountSegment, Trace

RISE: Counts = np.array([5] * 40 + [28] * 60)  # more than the plan for 5 carries, until replicas have started
CASE = Case("video", "bursty", start_s=20)


def simulated(case: Case) -> Run:
    config = configured(read_config("video"), case)
    [run] = compare([config], Trace((CountSegment(RISE),)), [case.rival], [0], "mean")
    assert isinstance(run, Run)
    return run


def test_a_late_answer_misses_the_slo_and_only_a_drop_violates_by_the_references_rule() -> None:
    run = simulated(CASE)
    found = outcome(run)
    result = run.result
    late = (result.outcome == ANSWERED) & (result.latency_s > 6.89)
    dropped = result.outcome == DROPPED
    assert late.sum() > 0 and dropped.sum() > 0
    assert found.missed == pytest.approx((late | dropped).sum() / RISE.sum())
    assert found.dropped == pytest.approx(dropped.sum() / RISE.sum())


def test_the_course_follows_the_plans_and_the_cores() -> None:
    run = simulated(CASE)
    course = outcome(run).course
    assert course.at_s.tolist() == list(range(0, 100, 5))
    for at_s, cores, accuracy in zip(course.at_s, course.cores, course.accuracy, strict=True):
        assert cores == [each.cores for each in run.spending if each.at_s <= at_s][-1]
        plan = [plan for since_s, plan in run.plans if since_s <= at_s][-1]
        expected = 1.0
        for allocation in plan.allocations:
            expected *= run.config.pipeline.stage(allocation.stage).variant(allocation.variant).accuracy
        assert accuracy == pytest.approx(expected)


def test_knowing_the_future_misses_less_than_guessing_it() -> None:
    trace, config = Trace((CountSegment(RISE),)), read_config("video")
    told, guessed, last = (
        run_case(replace(CASE, predictor=name, start_s=10), config, trace, 0) for name in ("oracle", "ewma", "last")
    )
    assert told.missed < min(guessed.missed, last.missed)
    assert 0 == told.dropped < min(guessed.dropped, last.dropped)


def test_only_the_ratio_of_the_weights_counts() -> None:
    """So one sweep covers α and β: α times 16 is β divided by 16."""
    trace, config = Trace((CountSegment(RISE),)), read_config("video")
    more, cheaper = replace(CASE, accuracy_factor=16.0), replace(CASE, cost_factor=1 / 16)
    first, second = (run_case(case, config, trace, 0) for case in (more, cheaper))
    assert replace(first.row, objective=0) == replace(second.row, objective=0)
    assert first.accuracy > run_case(CASE, config, trace, 0).accuracy


def test_a_case_asked_for_twice_is_run_once_and_progress_is_told() -> None:
    told: list[str] = []
    cases = preference.sweep("video", "bursty", 10)[:2]
    outcomes = run_all([*cases, *cases], loads({}, ("bursty",), 20).traces, 0, 1, told.append)
    assert list(outcomes) == cases
    assert told == ["1/1 video bursty: 2 runs"]


@pytest.mark.slow
def test_two_processes_find_what_one_finds() -> None:
    cases = [Case("video", "bursty"), Case("sum-qa", "bursty")]
    traces = loads({}, ("bursty",), 60).traces
    alone, shared = (run_all(cases, traces, 0, workers, lambda _: None) for workers in (1, 2))
    assert [asdict(alone[case].row) for case in cases] == [asdict(shared[case].row) for case in cases]
