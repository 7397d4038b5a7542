"""Label setting beyond the contract test: longer chains against the integer program, ties, corners, hand-over."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipa.domain import Limits, Objective, Pipeline, Stage, Variant
from ipa.errors import UsageError
from ipa.evaluation import Evaluation
from ipa.options import price
from ipa.policy import auto, exhaustive, label, milp
from tests.pipelines import measurement, pipelines, random_chain, rates, two_stages

LONGER = [
    (5, "product", Limits(), 1.0),
    (6, "product", Limits(cores=60), 2.0),
    (7, "product", Limits(accuracy=0.1), 2.0),
    (8, "product", Limits(cores=120, accuracy=0.02), 1.0),
    (5, "product", Limits(replicas=4), 1.0),
    (6, "rank-product", Limits(cores=80), 1.5),
    (6, "rank-product", Limits(accuracy=0.15, score=0.01), 2.0),
    (8, "sum", Limits(cores=100), 2.0),
    (7, "mean", Limits(accuracy=0.2), 2.0),
    (6, "rank-sum", Limits(score=4.0, cores=90), 1.0),
    (5, "product", Limits(cores=10), 1.0),
    (8, "product", Limits(), 3.0),
]


@pytest.mark.parametrize(("stages", "score", "limits", "tightness"), LONGER)
def test_longer_chains_agree_with_the_integer_program(
    stages: int, score: str, limits: Limits, tightness: float
) -> None:
    problem = price(random_chain(stages, stages, 5, score=score, tightness=tightness, limits=limits), 20.0)
    mine, theirs = label.solve(problem), milp.solve(problem)
    assert (mine.evaluation is None) == (theirs.evaluation is None)
    if mine.evaluation is not None and theirs.evaluation is not None:
        assert mine.evaluation.feasible
        assert mine.evaluation.objective == pytest.approx(theirs.evaluation.objective, abs=1e-6, rel=1e-6)


def promised(found: Evaluation) -> tuple[float, int, list[tuple[str, str, int]]]:
    """What the tie-break settles."""
    allocations = found.plan.allocations
    return found.cost_cores, sum(a.batch for a in allocations), [a.server for a in allocations]


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    pipeline=pipelines(),
    rate_rps=rates,
    weights=st.tuples(st.sampled_from([0.0, 1.0, 10.0]), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1e-6])),
)
def test_breaks_ties_as_exhaustive_where_plans_are_equally_good(
    pipeline: Pipeline, rate_rps: float, weights: tuple[float, float, float]
) -> None:
    """Weights of 0 make most plans equally good, and the accuracies 0 and 1 make many of the rest so."""
    objective = replace(pipeline.objective, accuracy_weight=weights[0], cost_weight=weights[1], batch_weight=weights[2])
    problem = price(replace(pipeline, objective=objective), rate_rps)
    mine, theirs = label.solve(problem).evaluation, exhaustive.solve(problem).evaluation
    assert (mine is None) == (theirs is None)
    if mine is not None and theirs is not None:
        assert promised(mine) == promised(theirs)


@pytest.mark.parametrize("beam", [1, 4])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), rate_rps=rates)
def test_bounds_and_beams_lose_no_plan(beam: int, pipeline: Pipeline, rate_rps: float) -> None:
    """The same ties as above, now through the bounds, which small problems do not need."""
    problem = price(pipeline, rate_rps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label, "SMALL", 0)
        patch.setattr(label, "BEAM", beam)
        mine, theirs = label.solve(problem).evaluation, exhaustive.solve(problem).evaluation
    assert (mine is None) == (theirs is None)
    if mine is not None and theirs is not None:
        assert promised(mine) == promised(theirs)


def with_accuracies(pipeline: Pipeline, *accuracies: tuple[float, ...]) -> Pipeline:
    stages = [
        replace(
            stage, variants=tuple(Variant(v.name, accuracy) for v, accuracy in zip(stage.variants, own, strict=True))
        )
        for stage, own in zip(pipeline.stages, accuracies, strict=True)
    ]
    return replace(pipeline, stages=tuple(stages))


def test_accuracies_of_zero_leave_cost_to_decide() -> None:
    best = label.solve(price(with_accuracies(two_stages(), (0.0, 0.0), (0.0, 1.0)), 40.0)).evaluation
    assert best is not None
    assert best.score == 0.0
    assert [a.variant for a in best.plan.allocations] == ["small", "heavy"]  # one core each: fewer cores, then names


def test_an_accuracy_floor_shuts_out_an_accuracy_of_zero() -> None:
    zero = with_accuracies(two_stages(Limits(accuracy=0.1)), (0.0, 0.0), (0.5, 1.0))
    assert label.solve(price(zero, 5.0)).evaluation is None


def test_equal_variants_are_told_apart_by_name() -> None:
    pipeline = two_stages()
    twins = with_accuracies(pipeline, (0.9, 0.9), (0.9, 0.9))
    same = tuple(
        replace(m, latency_mean_s=0.01, latency_p50_s=0.01, latency_p95_s=0.01, latency_p99_s=0.01)
        for m in pipeline.measurements
    )
    best = label.solve(price(replace(twins, measurements=same), 10.0)).evaluation
    assert best is not None
    assert [a.variant for a in best.plan.allocations] == ["large", "heavy"]


def chain_of(count: int, rows: tuple[tuple[str, float, int, int, float], ...], pipeline: Pipeline) -> Pipeline:
    """Equal stages, a row for each option: variant, accuracy, batch, cores, latency."""
    variants = tuple(Variant(name, accuracy) for name, accuracy, *_ in rows)
    stages = tuple(Stage(f"s{i}", variants, ("cpu",), (f"s{i - 1}",) if i else ()) for i in range(count))
    measured = [
        measurement(stage.name, variant, batch, latency_s, cores=cores)
        for stage in stages
        for variant, _, batch, cores, latency_s in rows
    ]
    return replace(pipeline, stages=stages, measurements=tuple(measured))


@pytest.mark.parametrize("small", [0, 50_000])
def test_plans_that_swap_stages_are_told_apart_by_names(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores allow one dear variant; which stage gets it is settled by names, not by the order of the profile."""
    monkeypatch.setattr(label, "SMALL", small)
    rows = (("cheap", 0.5, 1, 1, 0.01), ("a-dear", 1.0, 1, 2, 0.01))
    best = label.solve(price(chain_of(3, rows, two_stages(Limits(cores=4))), 1.0)).evaluation
    assert best is not None
    assert [a.variant for a in best.plan.allocations] == ["a-dear", "cheap", "cheap"]


@pytest.mark.parametrize("small", [0, 50_000])
def test_within_the_tolerance_fewer_cores_win_over_the_better_objective(
    small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label, "SMALL", small)
    rows = (("fat", 0.9, 1, 2, 0.01), ("thin", 0.9, 4, 1, 0.02))  # δ: 1e-10 a stage against 4e-10
    pipeline = chain_of(3, rows, two_stages(slo_s=100.0, objective=Objective(1.0, 0.0, 1e-10)))
    best = label.solve(price(pipeline, 1.0)).evaluation
    assert best is not None
    assert [a.variant for a in best.plan.allocations] == ["thin", "thin", "thin"]


def test_without_weight_on_accuracy_the_cheapest_plan_wins() -> None:
    problem = price(random_chain(3, 6, 6, limits=Limits(accuracy=0.05)), 20.0)
    problem = replace(problem, objective=Objective(0.0, 1.0))
    mine, theirs = label.solve(problem).evaluation, milp.solve(problem).evaluation
    assert mine is not None
    assert theirs is not None
    assert mine.objective == pytest.approx(theirs.objective, abs=1e-6)


def test_without_any_limit_every_stage_is_on_its_own() -> None:
    problem = replace(price(two_stages(), 40.0), slo_s=inf)
    best = label.solve(problem).evaluation
    assert best is not None
    assert best == exhaustive.solve(problem).evaluation


def test_branches_are_bounded_path_by_path() -> None:
    """A diamond: the SLO is just met along the slower branch, so its variants decide."""
    chain = random_chain(1, 4, 3)
    after = {"s0": (), "s1": ("s0",), "s2": ("s0",), "s3": ("s1", "s2")}
    stages = tuple(Stage(s.name, s.variants, s.hardware, after[s.name]) for s in chain.stages)
    for slo_s in (0.06, 0.08, 0.1, 0.15, 0.3):
        problem = replace(price(replace(chain, stages=stages), 20.0), slo_s=slo_s)
        mine, theirs = label.solve(problem).evaluation, milp.solve(problem).evaluation
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert mine.objective == pytest.approx(theirs.objective, abs=1e-6)


def test_auto_hands_over_when_labels_are_too_many_and_says_so() -> None:
    problem = price(random_chain(1, 8, 8), 20.0)
    unproven = label.attempt(problem, most_labels=1)
    assert unproven is not None
    assert unproven.gap
    answered = auto.solve(problem, most_labels=1)
    assert (answered.solver, answered.status, answered.gap) == ("milp", "optimal", 0.0)
    assert auto.solve(problem).solver == "label"


def test_too_many_paths_are_refused_by_label_and_handed_over_by_auto() -> None:
    """Five layers of two stages each, fully connected: 32 paths."""
    chain = random_chain(0, 10, 2)
    names = [s.name for s in chain.stages]
    stages = tuple(
        replace(s, after=tuple(names[i - i % 2 - 2 : i - i % 2]) if i > 1 else ()) for i, s in enumerate(chain.stages)
    )
    problem = price(replace(chain, stages=stages), 20.0)
    with pytest.raises(UsageError, match="too many paths: use auto or milp"):
        label.solve(problem)
    assert auto.solve(problem).solver == "milp"


def test_needs_no_solver_library() -> None:
    code = (
        "import sys; from ipa.policy import label; from ipa.options import price;"
        "from tests.pipelines import two_stages; label.solve(price(two_stages(), 5.0));"
        "print(sorted({'pyomo', 'highspy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
