"""The integer program as an instrument: time limit, start, bound, gap, status and failure."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from ipa.domain import Limits, Objective, Pipeline
from ipa.errors import IpaError, UsageError
from ipa.evaluation import evaluate
from ipa.options import Problem, price
from ipa.policy import exhaustive, label, milp
from ipa.policy.program import unlimited
from ipa.policy.segments import range_of
from ipa.policy.solution import relative_gap
from tests.hard_pipelines import correlated_chain
from tests.pipelines import pipelines, random_chain, rates, two_stages


def hard() -> Problem:
    return price(correlated_chain(0, 20), 5.0)


class TestTimeLimit:
    def test_returns_the_best_plan_so_far_with_a_bound_and_its_gap(self) -> None:
        problem = hard()
        solution = milp.solve(problem, time_limit_s=2.0)
        assert (solution.solver, solution.status) == ("milp", "time limit")
        assert solution.reason == "the best plan found within 2 s"
        assert solution.evaluation is not None
        assert solution.evaluation.feasible
        assert solution.bound is not None
        assert solution.bound >= solution.evaluation.objective
        assert solution.gap == (solution.bound - solution.evaluation.objective) / solution.evaluation.objective

    def test_without_time_there_is_no_plan_and_it_says_so(self) -> None:
        solution = milp.solve(hard(), time_limit_s=0.0)
        assert solution.evaluation is None
        assert (solution.reason, solution.status) == ("no plan found within 0 s", "time limit")
        assert solution.gap is None
        assert solution.bound is not None

    @pytest.mark.parametrize("time_limit_s", [0.0, 0.01, 0.05, 0.2, 1.0])
    @pytest.mark.parametrize("limits", [Limits(), Limits(cores=80)])
    def test_bound_and_plan_enclose_the_optimum_whenever_it_stops(self, time_limit_s: float, limits: Limits) -> None:
        problem = price(random_chain(1, 8, 6, tightness=2.0, limits=limits), 20.0)
        best = label.solve(problem).evaluation
        assert best is not None
        solution = milp.solve(problem, time_limit_s=time_limit_s)
        assert solution.bound is not None
        assert solution.bound >= best.objective - 1e-6
        if solution.evaluation is not None:
            assert solution.evaluation.objective <= best.objective + 1e-6

    @pytest.mark.parametrize("time_limit_s", [-1.0, float("nan")])
    def test_refuses_a_limit_that_is_none(self, time_limit_s: float) -> None:
        with pytest.raises(UsageError, match=f"a time limit of {time_limit_s} s: it is at least 0 s"):
            milp.solve(price(two_stages(), 5.0), time_limit_s=time_limit_s)


class TestStart:
    def test_is_the_answer_where_nothing_better_is_found(self) -> None:
        problem = hard()
        start = tuple(int(stage.cost_cores.argmin()) for stage in problem.stages)
        solution = milp.solve(problem, time_limit_s=0.0, start=start)
        assert solution.evaluation == evaluate(problem, start)
        assert solution.status == "time limit"
        assert solution.bound is not None
        assert solution.gap == relative_gap(evaluate(problem, start).objective, solution.bound)

    def test_is_never_lost(self) -> None:
        problem = hard()
        start = milp.solve(problem, time_limit_s=1.0).evaluation
        assert start is not None
        better = milp.solve(problem, time_limit_s=0.5, start=start.choice).evaluation
        assert better is not None
        assert better.objective >= start.objective

    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(pipeline=pipelines(), rate_rps=rates)
    def test_changes_no_answer(self, pipeline: Pipeline, rate_rps: float) -> None:
        """Any start, also one of dominated options or one that breaks a limit."""
        problem = price(pipeline, rate_rps)
        start = tuple(len(stage) - 1 for stage in problem.stages)
        mine, theirs = milp.solve(problem, start=start), exhaustive.solve(problem)
        assert mine.status == theirs.status
        if mine.evaluation is not None and theirs.evaluation is not None:
            assert mine.evaluation.feasible
            assert mine.evaluation.objective == pytest.approx(theirs.evaluation.objective, abs=1e-6, rel=1e-6)

    @pytest.mark.parametrize("start", [(0,), (0, 4), (-1, 0), (0, 0, 0)])
    def test_refuses_what_is_no_plan(self, start: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match=r"one option index a stage, below \[4, 4\]"):
            milp.solve(price(two_stages(), 5.0), start=start)


class TestStatus:
    def test_optimal_has_gap_zero_and_its_objective_as_bound(self) -> None:
        solution = milp.solve(price(two_stages(), 20.0))
        assert solution.evaluation is not None
        assert (solution.status, solution.gap, solution.bound) == ("optimal", 0.0, solution.evaluation.objective)

    def test_infeasible_has_neither(self) -> None:
        solution = milp.solve(price(two_stages(slo_s=0.001), 20.0))
        assert (solution.evaluation, solution.status, solution.gap, solution.bound) == (None, "infeasible", None, None)

    @pytest.mark.parametrize("beyond_s", [0.9e-9, 1.1e-9, 1.3e-9, 1.6e-9])
    def test_a_plan_within_the_solvers_tolerance_but_not_within_ours_is_passed_over(self, beyond_s: float) -> None:
        problem = replace(price(two_stages(objective=Objective(1000.0)), 5.0), slo_s=0.07 - beyond_s)
        mine, theirs = milp.solve(problem).evaluation, exhaustive.solve(problem).evaluation
        assert mine is not None
        assert theirs is not None
        assert mine.feasible
        assert mine.objective == pytest.approx(theirs.objective, abs=1e-9)

    def test_a_table_with_a_number_that_is_none_is_an_error(self) -> None:
        problem = price(two_stages(), 20.0)
        first = replace(problem.stages[0], accuracies=np.array([np.nan, 0.9]))
        with pytest.raises(
            IpaError, match="policy milp: a price, accuracy or latency of the option table is not finite"
        ):
            milp.solve(replace(problem, stages=(first, *problem.stages[1:])))

    @pytest.mark.parametrize(
        ("objective", "bound", "gap"),
        [(10.0, 11.0, 0.1), (-10.0, -9.0, 0.1), (10.0, 10.0 - 1e-12, 0.0), (0.0, 1.0, 1e9), (5.0, 5.0, 0.0)],
    )
    def test_the_gap_is_relative_to_the_plan_and_never_negative(
        self, objective: float, bound: float, gap: float
    ) -> None:
        assert relative_gap(objective, bound) == pytest.approx(gap)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_no_plan_beats_the_bound_without_limits(pipeline: Pipeline, rate_rps: float) -> None:
    problem = price(pipeline, rate_rps)
    best = exhaustive.solve(problem).evaluation
    if best is not None:
        assert best.objective <= unlimited(problem) + 1e-9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("score", ["product", "rank-product"])
def test_segments_change_no_answer(seed: int, score: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a share for the plain program, what the time limit leaves goes to the one with segments."""
    monkeypatch.setattr(milp, "PLAIN_SHARE", 0.0)
    problem = price(random_chain(seed, 4, 5, score=score, tightness=2.0, limits=Limits(cores=40)), 20.0)
    assert range_of(problem, [np.arange(len(stage)) for stage in problem.stages]) is not None
    mine, theirs = milp.solve(problem), label.solve(problem)
    assert mine.status == theirs.status
    if mine.evaluation is not None and theirs.evaluation is not None:
        assert mine.evaluation.objective == pytest.approx(theirs.evaluation.objective, abs=1e-6, rel=1e-6)


def test_twenty_stages_scale_the_product_out_of_the_tolerance() -> None:
    """Accuracies of 0.3 multiply to 3.5e-11, which the solver would take for 0."""
    pipeline = random_chain(3, 20, 2, tightness=2.0)
    low = tuple(
        replace(s, variants=tuple(replace(v, accuracy=0.3 * v.accuracy) for v in s.variants)) for s in pipeline.stages
    )
    heavy = replace(pipeline, stages=low, objective=Objective(1e13, 0.5))
    problem = price(heavy, 20.0)
    mine, theirs = milp.solve(problem).evaluation, label.solve(problem).evaluation
    assert mine is not None
    assert theirs is not None
    assert mine.objective == pytest.approx(theirs.objective, rel=1e-6, abs=1e-6)


@pytest.mark.slow
def test_an_interrupt_ends_a_long_run() -> None:
    code = (
        "from ipa.policy import milp; from tests.policy.test_milp import hard\n"
        "problem = hard(); milp.solve(problem, time_limit_s=0.0); print('ready', flush=True)\n"
        "try: milp.solve(problem, time_limit_s=200.0)\n"
        "except KeyboardInterrupt: print('stopped')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        try:
            assert child.communicate(timeout=60)[0] == "stopped\n"
        finally:
            child.kill()
