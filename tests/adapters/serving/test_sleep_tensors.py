"""Graphs of stages that fit each other; the router's own rule (dataplane.joints) is the judge."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.serving.sleep_tensors import Drawn, stage_tensors, tensor_problems
from ipa.domain import Pipeline, Slo, Stage, When


def stage(name: str, *after: str, visits: float = 1.0, when: When | None = None) -> Stage:
    return Stage(name, (), ("cpu",), after, visits, when)


def problems(*stages: Stage) -> list[str]:
    return [str(problem) for problem in tensor_problems(Pipeline("p", stages, Slo(1.0, 2.0)))]


def test_a_line_hands_one_tensor_on() -> None:
    tensors = stage_tensors((stage("a"), stage("b", "a"), stage("c", "b")))
    assert {(each.takes, each.returns, each.drawn) for each in tensors.values()} == {(("input",), "input", ())}


def test_a_join_takes_what_each_stage_before_returns() -> None:
    diamond = (stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c"))
    assert stage_tensors(diamond)["d"].takes == ("input", "input2")
    assert problems(*diamond) == []


def test_branches_that_exclude_each_other_meet_in_one_tensor() -> None:
    graph = (
        stage("a"),
        stage("b", "a", visits=0.3, when=When("kind", 1)),
        stage("long", "b", visits=0.3),
        stage("c", "a", visits=0.5, when=When("kind", 2.5)),
        stage("d", "long", "c", visits=0.8),
    )
    tensors = stage_tensors(graph)
    assert tensors["d"].takes == ("input",)
    assert tensors["a"].drawn == (Drawn("kind", ((1.0, 0.3), (2.5, 0.5)), 0.0),)
    assert problems(*graph) == []


def test_branches_that_may_both_run_stay_apart() -> None:
    graph = (
        stage("a"),
        stage("b", "a", visits=0.5, when=When("left", True)),
        stage("c", "a", visits=0.5, when=When("right", True)),
    )
    assert len({each.returns for each in stage_tensors(graph).values()}) == 2
    assert problems(*graph) == []


def test_the_rest_gets_a_value_that_no_branch_asks_for() -> None:
    graph = [stage("a"), *(stage(f"b{n}", "a", visits=0.1, when=When("kind", n)) for n in range(4))]
    (drawn,) = stage_tensors(graph)["a"].drawn
    assert drawn.otherwise == 4.0


def test_a_branch_counts_from_the_visits_of_the_stage_before() -> None:
    graph = (
        stage("a"),
        stage("b", "a", visits=0.5, when=When("kind", 1)),
        stage("c", "b", visits=0.2, when=When("again", 1)),
    )
    (drawn,) = stage_tensors(graph)["b"].drawn
    assert drawn.shares == ((1.0, 0.4),)


def test_shares_above_one_are_refused_by_name() -> None:
    (problem,) = problems(
        stage("a"),
        stage("b", "a", visits=0.7, when=When("kind", 1)),
        stage("c", "a", visits=0.6, when=When("kind", 2)),
    )
    assert "'kind' of a" in problem and "1.3" in problem


def test_a_graph_that_no_models_fit_is_refused() -> None:
    (problem,) = problems(
        stage("a"),
        stage("b", "a", visits=0.5, when=When("left", 1)),
        stage("c", "a", visits=0.5, when=When("right", 1)),
        stage("d", "b", "c"),
    )
    assert "no models fit this graph" in problem and "'d'" in problem


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_graph_without_branches_fits(data: st.DataObject) -> None:
    names = [f"s{i}" for i in range(data.draw(st.integers(1, 7)))]
    graph = [
        stage(name, *sorted(data.draw(st.sets(st.sampled_from(names[:i]), max_size=3)) if i else ()))
        for i, name in enumerate(names)
    ]
    assert problems(*graph) == []


@pytest.mark.parametrize("equals", [True, 3, 0.1, -2])
def test_any_value_that_a_branch_may_name_is_drawn_exactly(equals: bool | int | float) -> None:
    tensors = stage_tensors((stage("a"), stage("b", "a", visits=0.5, when=When("kind", equals))))
    ((value, share),) = tensors["a"].drawn[0].shares
    assert value == equals and share == 0.5
