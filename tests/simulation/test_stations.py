"""Stations and network of a config and a plan, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipa.diff import Step, targets
from ipa.domain import Allocation, Pipeline, RouterSettings, Slo, Stage, Variant, When
from ipa.errors import UsageError
from ipa.simulation.stations import Stations, network
from tests.pipelines import measurement
from tests.simulation.toys import of, plan, toy


def graph(*stages: tuple[str, tuple[str, ...], float]) -> Pipeline:
    """Stages of one variant each: name, after, visits."""
    found = tuple(Stage(name, (Variant("v", 0.9),), ("cpu",), after, visits) for name, after, visits in stages)
    rows = tuple(measurement(name, "v", 1, 0.010) for name, _, _ in stages)
    return Pipeline("graph", found, Slo(0.5, 1.0), measurements=rows)


def test_a_chain_waits_for_the_stage_before() -> None:
    config = replace(toy(), router=RouterSettings(queue_limit=7, in_flight=2))
    got = network(config)
    assert (got.after, got.probability) == (((), (0,)), (1.0, 1.0))
    assert (got.drop_after_s, got.queue_limit, got.in_flight) == (1.0, 7, 2)


VISITS = [
    ("a branch is taken by its share of the parent's", [("a", (), 1), ("b", ("a",), 0.4), ("c", ("b",), 0.1)], 0.25),
    ("a source may be skipped", [("a", (), 1), ("b", (), 0.5), ("c", (), 0.3)], 0.3),
    (
        "a join goes by the parent that is visited most",
        [("a", (), 0.8), ("b", (), 0.4), ("c", ("a", "b"), 0.4)],
        0.5,
    ),
    (
        "a join of two branches may be visited more often than either",
        [("a", (), 0.5), ("b", (), 0.5), ("c", ("a", "b"), 1)],
        1.0,
    ),
    ("where nobody comes nobody goes on", [("a", (), 0), ("b", ("a",), 0), ("c", ("b",), 0)], 0.0),
]


@pytest.mark.parametrize(("sentence", "stages", "probability"), VISITS)
def test_the_last_stage_is_taken_by(
    sentence: str, stages: list[tuple[str, tuple[str, ...], float]], probability: float
) -> None:
    assert network(of(graph(*stages))).probability[-1] == pytest.approx(probability), sentence


def fork(*branches: tuple[When | None, float]) -> Pipeline:
    """Behind one stage, branches with their visits."""
    whole = graph(("a", (), 1.0), *((f"b{at}", ("a",), visits) for at, (_, visits) in enumerate(branches)))
    stages = (whole.stages[0], *(replace(s, when=w) for s, (w, _) in zip(whole.stages[1:], branches, strict=True)))
    return replace(whole, stages=stages)


CAT, DOG, BIRD = (When("kind", value) for value in (0, 1, 2))
COINS = [
    ("if and else share a coin", [(CAT, 0.5), (DOG, 0.5)], ((0, 0.0), (1, 0.0), (1, 0.5))),
    ("so do three", [(CAT, 0.5), (DOG, 0.25), (BIRD, 0.25)], ((0, 0.0), (1, 0.0), (1, 0.5), (1, 0.75))),
    ("one value twice excludes nothing", [(CAT, 0.5), (CAT, 0.5)], ((0, 0.0), (1, 0.0), (2, 0.0))),
    ("nor do two outputs", [(CAT, 0.5), (When("size", 1), 0.5)], ((0, 0.0), (1, 0.0), (2, 0.0))),
    ("shares beyond 1 contradict it", [(CAT, 1.0), (DOG, 1.0)], ((0, 0.0), (1, 0.0), (2, 0.0))),
    ("without a test there is nothing to exclude", [(None, 0.5), (None, 0.5)], ((0, 0.0), (1, 0.0), (2, 0.0))),
]


@pytest.mark.parametrize(("sentence", "branches", "coins"), COINS)
def test_branches_that_exclude_each_other_share_a_coin(
    sentence: str, branches: list[tuple[When | None, float]], coins: tuple[tuple[int, float], ...]
) -> None:
    assert network(of(fork(*branches))).coins == coins, sentence


FANS = [
    ("a source", [("a", (), 2.0)], "stage 'a': 2 visits where what comes before has 1"),
    ("a chain", [("a", (), 0.5), ("b", ("a",), 1.0)], "stage 'b': 1 visits where what comes before has 0.5"),
    ("a join", [("a", (), 0.2), ("b", (), 0.3), ("c", ("a", "b"), 0.6)], "stage 'c': 0.6 visits where .* has 0.5"),
    ("a full join", [("a", (), 1), ("b", (), 1), ("c", ("a", "b"), 2)], "stage 'c': 2 visits where .* has 1"),
]


@pytest.mark.parametrize(("sentence", "stages", "said"), FANS)
def test_a_request_that_fans_out_is_refused(
    sentence: str, stages: list[tuple[str, tuple[str, ...], float]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        network(of(graph(*stages)))


def test_a_plan_becomes_the_stations_that_serve_it() -> None:
    detect, classify = Stations(toy()).of_plan(plan(("small", 4, 3), ("heavy", 1, 2)))
    assert (detect.batch, classify.batch) == (4, 1)
    assert [s.replicas for s in (*detect.servers, *classify.servers)] == [3, 2]
    assert [s.accuracy for s in (*detect.servers, *classify.servers)] == [0.70, 0.95]
    assert [detect.remaining_s, classify.remaining_s] == pytest.approx([0.010 + 0.020, 0.020])
    assert (detect.wait_s, classify.wait_s) == (0.0, 0.0)
    assert detect.servers[0].service_s[0, :4].tolist() == pytest.approx(
        [0.010, 0.010 + 0.022 / 3, 0.010 + 0.044 / 3, 0.032]
    )


def test_only_full_batches_wait() -> None:
    config = replace(toy(), router=RouterSettings("full", batch_wait_s=0.05))
    assert [s.wait_s for s in Stations(config).of_plan(plan(("small", 4, 1)))] == [0.05, 0.05]


def test_while_two_variants_share_a_stage_the_faster_one_says_how_much_is_left() -> None:
    both = (Allocation("detect", "large", "cpu", 1, 1, 1), Allocation("detect", "small", "cpu", 1, 1, 2))
    detect, _ = Stations(toy()).of({**targets(plan(("small", 1, 1))), "detect": Step("detect", 1, both)})
    assert [s.accuracy for s in detect.servers] == [0.90, 0.70]  # in the order of the step
    assert detect.remaining_s == pytest.approx(0.010 + 0.005)


def test_a_replica_stays_what_it_is_when_batch_or_replicas_change() -> None:
    stations = Stations(toy())
    (one, _), (other, _) = stations.of_plan(plan(("small", 1, 1))), stations.of_plan(plan(("small", 4, 5)))
    assert one.servers[0].kind == other.servers[0].kind
    (large, _) = stations.of_plan(plan(("large", 1, 1)))
    assert large.servers[0].kind != one.servers[0].kind


def test_a_server_that_nobody_measured_is_refused_by_name() -> None:
    unknown = replace(plan(("small", 1, 1)).allocations[0], cores=3)
    steps = {**targets(plan(("small", 1, 1))), "detect": Step("detect", 1, (unknown,))}
    with pytest.raises(UsageError, match="detect/small on cpu with 3 cores: nobody measured it"):
        Stations(toy()).of(steps)
