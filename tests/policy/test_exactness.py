"""Every exact policy against every other: all scores, limits and graphs by hypothesis, larger chains by the plain
program. `pytest --hypothesis-profile=thorough tests/policy/test_exactness.py` tries 2,000 examples of each.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipa.domain import Limits, Pipeline
from ipa.errors import UsageError
from ipa.evaluation import limits_of
from ipa.options import Problem, price
from ipa.policy import Policy, Solution, auto, exhaustive, label, milp
from tests.pipelines import pipelines, random_chain, rates
from tests.plain_program import best_objective, task

SEARCH = settings(deadline=None, suppress_health_check=list(HealthCheck))
EXACT: dict[str, Policy] = {"label": label.solve, "milp": milp.solve, "auto": auto.solve}


def objective_of(solution: Solution) -> float | None:
    return solution.evaluation.objective if solution.evaluation else None


def assert_same(found: float | None, expected: float | None) -> None:
    """The contract's rule: the same feasibility, objectives within 1e-6·max(1, |objective|)."""
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert abs(found - expected) <= 1e-6 * max(1.0, abs(expected))


def assert_sound(problem: Problem, solution: Solution) -> None:
    """A plan keeps every limit, and its status, gap and reason say how good it is."""
    assert solution.reason
    if solution.evaluation is None:
        assert (solution.status, solution.gap) == ("infeasible", None)
        return
    assert solution.evaluation.feasible
    assert (solution.status, solution.gap) == ("optimal", 0.0)
    assert all(0 <= k < len(stage) for k, stage in zip(solution.evaluation.choice, problem.stages, strict=True))
    assert len(limits_of(problem)) >= 1


@pytest.mark.parametrize("name", EXACT)
@SEARCH
@given(pipeline=pipelines(), rate_rps=rates)
def test_agrees_with_exhaustive(name: str, pipeline: Pipeline, rate_rps: float) -> None:
    problem = price(pipeline, rate_rps)
    solution = EXACT[name](problem)
    assert_sound(problem, solution)
    assert_same(objective_of(solution), objective_of(exhaustive.solve(problem)))


@SEARCH
@given(pipeline=pipelines(stages=6), rate_rps=rates)
def test_label_and_milp_agree_on_larger_graphs(pipeline: Pipeline, rate_rps: float) -> None:
    """Up to six stages; random graphs of six stages have few enough paths for label, or it says so."""
    problem = price(pipeline, rate_rps)
    try:
        labels = label.solve(problem)
    except UsageError:
        labels = auto.solve(problem)
    assert_same(objective_of(labels), objective_of(milp.solve(problem)))


@settings(SEARCH, max_examples=settings().max_examples // 4)
@given(pipeline=pipelines(stages=4), rate_rps=rates)
def test_agrees_with_the_plain_program_on_any_graph(pipeline: Pipeline, rate_rps: float) -> None:
    work = task(pipeline, rate_rps)
    assert_same(objective_of(milp.solve(work.problem)), best_objective(work))


CHAINS = st.builds(
    random_chain,
    st.integers(0, 10_000),
    st.integers(4, 7),
    st.integers(2, 6),
    score=st.sampled_from(["product", "sum", "mean", "rank-sum", "rank-product"]),
    tightness=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    limits=st.builds(
        Limits,
        cores=st.none() | st.integers(10, 150),
        accuracy=st.none() | st.floats(0.0, 0.5),
        replicas=st.none() | st.integers(2, 30),
    ),
)


@settings(SEARCH, max_examples=settings().max_examples // 4)
@given(pipeline=CHAINS, rate_rps=st.sampled_from([1.0, 20.0, 200.0]))
def test_label_and_milp_agree_on_chains_beyond_enumeration(pipeline: Pipeline, rate_rps: float) -> None:
    """A chain that takes the integer program long is judged by its best plan and its bound."""
    problem = price(pipeline, rate_rps)
    mine, theirs = objective_of(auto.solve(problem)), milp.solve(problem, time_limit_s=3.0)
    if theirs.status != "time limit":
        assert_same(mine, objective_of(theirs))
    elif mine is not None:
        assert theirs.bound is not None
        assert mine <= theirs.bound + 1e-6 * max(1.0, abs(mine))
        assert theirs.evaluation is None or mine >= theirs.evaluation.objective - 1e-6 * max(1.0, abs(mine))
    else:
        assert theirs.evaluation is None


@pytest.mark.parametrize("seed", range(3))
def test_three_ways_agree_on_a_chain_beyond_enumeration(seed: int) -> None:
    work = task(random_chain(seed, 5, 6, tightness=2.0, limits=Limits(cores=60)), 20.0)
    expected = best_objective(work)
    assert_same(objective_of(label.solve(work.problem)), expected)
    assert_same(objective_of(milp.solve(work.problem)), expected)
