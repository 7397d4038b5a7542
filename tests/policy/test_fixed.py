"""The baselines: what each fixes, what fixed replicas cost, and why there is no plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from ipa.domain import Fixed, Limits, Pipeline
from ipa.errors import UsageError
from ipa.evaluation import evaluate_live
from ipa.options import price, price_list
from ipa.policy import POLICIES, policy_named
from ipa.policy.fixed import diagnose_for, restricted
from ipa.policy.infeasible import diagnose
from ipa.policy.overload import serve_most
from ipa.report.solve import document
from tests.pipelines import two_stages


def fixing(name: str, by_stage: Mapping[str, Fixed], pipeline: Pipeline | None = None) -> Pipeline:
    return replace(pipeline or two_stages(), policies={name: by_stage})


def chosen(name: str, pipeline: Pipeline, rate_rps: float) -> list[tuple[str, int, int]]:
    """(variant, batch, replicas) of each stage."""
    best = POLICIES[name](price(pipeline, rate_rps)).evaluation
    assert best is not None
    return [(a.variant, a.batch, a.replicas) for a in best.plan.allocations]


def test_fa2_fixes_the_least_or_the_most_accurate_variants() -> None:
    assert chosen("fa2-low", two_stages(), 40.0) == [("small", 1, 1), ("light", 1, 1)]
    assert chosen("fa2-high", two_stages(), 40.0) == [("large", 1, 2), ("heavy", 1, 1)]


def test_fa2_takes_the_default_where_the_config_names_no_variant() -> None:
    named = {"detect": Fixed(variant="large"), "classify": Fixed(replicas=2)}
    assert chosen("fa2-low", fixing("fa2-low", named), 5.0) == [("large", 1, 1), ("light", 1, 2)]


def test_of_equal_accuracies_fa2_takes_the_first() -> None:
    pipeline = two_stages()
    detect, classify = pipeline.stages
    equal = replace(detect, variants=tuple(replace(v, accuracy=0.8) for v in detect.variants))
    pipeline = replace(pipeline, stages=(equal, classify))
    assert [chosen(name, pipeline, 5.0)[0][0] for name in ("fa2-low", "fa2-high")] == ["small", "small"]


def test_rim_fixes_replicas_and_chooses_the_rest() -> None:
    """At 60/s two replicas of large carry 42/s at most, so only small is left for two."""
    pipeline = fixing("rim", {"detect": Fixed(replicas=2)})
    assert chosen("rim", pipeline, 40.0) == [("large", 1, 2), ("heavy", 1, 1)]
    assert chosen("rim", pipeline, 60.0)[0] == ("small", 1, 2)


def test_fixed_replicas_run_and_cost_even_where_fewer_would_do() -> None:
    problem = price(fixing("rim", {"detect": Fixed(replicas=5)}), 10.0)
    solution = POLICIES["rim"](problem)
    best = solution.evaluation
    assert best is not None
    assert (best.cost_cores, best.plan.total_cores) == (6.0, 6)
    assert best.objective == pytest.approx(10 * 0.9 * 0.95 - 6 - 2e-6)
    row = document(problem, solution, solution.reason, (), ())["plan"][0]
    assert (row["replicas"], row["cost_cores"]) == (5, 5.0)
    live = evaluate_live(problem, best.plan)
    assert live is not None
    assert live.objective == pytest.approx(best.objective)


def test_static_runs_what_is_named() -> None:
    named = {
        "detect": Fixed("small", "cpu", 1, 4, 2),
        "classify": Fixed("heavy", "cpu", 1, 1, 3),
    }
    assert chosen("static", fixing("static", named), 20.0) == [("small", 4, 2), ("heavy", 1, 3)]
    assert chosen("static", fixing("static", {"detect": named["detect"]}), 20.0)[1] == ("heavy", 1, 1)


def test_a_solution_names_the_baseline_and_is_proven() -> None:
    solution = POLICIES["fa2-low"](price(two_stages(), 5.0))
    assert (solution.solver, solution.status, solution.gap) == ("fa2-low", "optimal", 0.0)
    assert solution.reason == "proven best by label setting (given what fa2-low fixes)"


@pytest.mark.parametrize("name", ["rim", "static"])
@pytest.mark.parametrize("policies", [{}, {"rim": {}, "static": {}}])
def test_without_an_entry_there_is_nothing_to_fix(name: str, policies: dict[str, dict[str, Fixed]]) -> None:
    pipeline = replace(two_stages(), policies=policies)
    told = rf"`policies.{name}`.*as in `policies: {{{name}: {{detect: 3, classify: 3}}}}`"
    with pytest.raises(UsageError, match=told):
        POLICIES[name](price(pipeline, 5.0))
    with pytest.raises(UsageError, match=told):
        policy_named(name, pipeline)


def test_other_policies_choose_freely() -> None:
    assert chosen("auto", fixing("rim", {"detect": Fixed(replicas=5)}), 5.0) == [("large", 1, 1), ("heavy", 1, 1)]


class TestNoPlan:
    def test_too_few_replicas_say_what_they_carry(self) -> None:
        """small at batch 4 carries 125/s; under utilisation 0.8 three of it carry 300/s."""
        pipeline = fixing("rim", {"detect": Fixed(replicas=3)}, two_stages(Limits(utilisation=0.8)))
        problem = price(pipeline, 400.0)
        solution = POLICIES["rim"](problem)
        why = "the 3 replicas fixed for stage detect carry at most 300 of its requests/s"
        assert solution.evaluation is None
        assert (solution.solver, solution.status, solution.gap) == ("rim", "infeasible", None)
        assert solution.reason == f"no feasible plan: {why}"
        diagnosis = diagnose_for("rim", problem)
        assert (diagnosis.reason, diagnosis.relaxations) == (f"no feasible plan at 400 requests/s: {why}", ())

    def test_values_that_no_option_has_together_are_named(self) -> None:
        pipeline = fixing("static", {"detect": Fixed("small", batch=8), "classify": Fixed(replicas=1, cores=2)})
        solution = POLICIES["static"](price(pipeline, 5.0))
        assert solution.reason == (
            "no feasible plan: no option of stage detect has variant small, batch 8; "
            "no option of stage classify has cores 2"
        )

    def test_the_limit_in_the_way_is_that_of_what_is_left(self) -> None:
        """Two cores serve 40/s by small; fa2-high needs two of large for it."""
        problem = price(two_stages(Limits(cores=2)), 40.0)
        assert POLICIES["auto"](problem).evaluation is not None
        solution = POLICIES["fa2-high"](problem)
        assert solution.reason == "no feasible plan (given what fa2-high fixes)"
        diagnosis = diagnose_for("fa2-high", problem)
        assert [(r.limit.key, r.to) for r in diagnosis.relaxations] == [("limits.cores", 3.0)]
        assert diagnosis.reason.endswith("(given what fa2-high fixes)")

    def test_the_default_policies_are_diagnosed_as_ever(self) -> None:
        problem = price(two_stages(slo_s=0.012), 5.0)
        assert diagnose_for("auto", problem) == diagnose(problem)

    def test_overload_takes_what_the_baseline_serves_at_most(self) -> None:
        pipeline = fixing("rim", {"detect": Fixed(variant="large", replicas=2), "classify": Fixed(replicas=2)})
        most = serve_most(price_list(pipeline), 100.0, POLICIES["rim"])
        assert most is not None
        assert most.rate_rps == pytest.approx(2 * 4 / 0.19)


def test_restricting_leaves_ranks_and_accuracies_of_the_whole_stage() -> None:
    problem = price(two_stages(), 40.0)
    held = restricted(problem, {"detect": Fixed(variant="large", replicas=4)})
    detect, classify = held.stages
    assert detect.variants == ("small", "large")
    assert detect.ranks.tolist() == [0, 1]
    assert detect.replicas.tolist() == [4, 4]
    assert detect.cost_cores.tolist() == [4.0, 4.0]
    assert np.array_equal(classify.replicas, problem.stages[1].replicas)
