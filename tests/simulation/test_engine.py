"""The engine against the oracle in worlds full of ties, against recursions that need no events, and bad input."""

from __future__ import annotations

from dataclasses import replace
from heapq import heapreplace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.simulation.engine import Engine, run
from ipa.simulation.stations import Network
from ipa.workload.summary import ANSWERED, DROPPED
from tests.simulation.build import chain, graph, random_servers, servers, station
from tests.simulation.driven import endings, in_steps, outcomes
from tests.simulation.reference import simulate
from tests.simulation.theory import exponential_quantiles_s
from tests.simulation.worlds import World, large_world, worlds

EMPTY = np.array([], dtype=np.float64)


@given(worlds())
@settings(deadline=None, max_examples=400)
def test_engine_and_oracle_agree_bit_for_bit(world: World) -> None:
    expected = simulate(world.network, world.stations, world.arrivals_s, world.changes, world.seed)
    changed_s = [at_s for at_s, _ in world.changes]
    found = in_steps(world.network, world.stations, world.arrivals_s, world.changes, changed_s, world.seed)
    assert outcomes(found) == outcomes(expected)
    assert found.left_idle_s == expected.left_idle_s


@given(worlds())
@settings(deadline=None, max_examples=150)
def test_chopping_a_run_into_steps_changes_nothing(world: World) -> None:
    expected = simulate(world.network, world.stations, world.arrivals_s, world.changes, world.seed)
    found = in_steps(world.network, world.stations, world.arrivals_s, world.changes, world.cuts_s, world.seed)
    assert outcomes(found) == outcomes(expected)
    assert found.left_idle_s == expected.left_idle_s


@pytest.mark.parametrize("seed", range(6))
def test_engine_and_oracle_agree_on_thousands_of_requests(seed: int) -> None:
    world = large_world(seed)
    expected = simulate(world.network, world.stations, world.arrivals_s, world.changes, world.seed)
    found = in_steps(world.network, world.stations, world.arrivals_s, world.changes, world.cuts_s, world.seed)
    assert outcomes(found) == outcomes(expected)
    assert found.left_idle_s == expected.left_idle_s


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_a_run_is_an_engine_that_drains(world: World) -> None:
    found = endings([run(world.network, world.stations, np.array(world.arrivals_s), world.seed)])
    assert found == in_steps(world.network, world.stations, world.arrivals_s, (), (), world.seed).endings


@given(worlds(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_random_service_times_are_those_of_the_oracle(world: World, seed: int) -> None:
    """Exponential, so that no two events coincide: equal up to the rounding of the interpolation."""
    some = replace(station(random_servers(exponential_quantiles_s(1.0, rows=33), replicas=2)), batch=1)
    stages = tuple(some for _ in world.stations)
    arrivals_s = [at_s + i / 1e3 for i, at_s in enumerate(world.arrivals_s)]
    expected = simulate(world.network, stages, arrivals_s, seed=seed).endings
    found = in_steps(world.network, stages, arrivals_s, (), (), seed).endings
    assert [(each.outcome, each.stage) for each in found] == [(each.outcome, each.stage) for each in expected]
    assert np.allclose([each.at_s for each in found], [each.at_s for each in expected], rtol=1e-12)


# --- recursions -------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.floats(0.01, 10), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_requests_leave_as_the_recursion_of_kiefer_and_wolfowitz_says(
    arrivals_s: list[float], service_s: float, replicas: int
) -> None:
    """Each starts at the later of its arrival and when the first replica is free: nobody idles, first in, first out."""
    arrivals_s.sort()
    free_s, expected = [0.0] * replicas, []
    for at_s in arrivals_s:
        expected.append(max(at_s, free_s[0]) + service_s)
        heapreplace(free_s, expected[-1])
    found = endings([run(chain(1), [station(servers(service_s, replicas=replicas))], np.array(arrivals_s))])
    assert [each.at_s for each in found] == expected


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.lists(st.integers(1, 9), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_greedy_batches_leave_as_their_recursion_says(arrivals_s: list[int], service_s: list[int]) -> None:
    """One server: it takes all that came before it was free, up to the batch; idle, the first comer alone."""
    arrivals_s.sort()
    expected: list[float] = []
    free_s = -1
    while len(expected) < len(arrivals_s):
        first = len(expected)
        starts_s = max(free_s, arrivals_s[first])
        waiting = sum(at_s < starts_s for at_s in arrivals_s[first:])  # who arrives at this instant comes after it
        taken = min(max(waiting, 1), len(service_s))
        free_s = starts_s + service_s[taken - 1]
        expected += [free_s] * taken
    found = endings([run(chain(1), [station(servers(*service_s))], np.array(arrivals_s, dtype=np.float64))])
    assert [each.at_s for each in found] == expected


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_one_server_a_stage_keeps_the_order_of_arrival(world: World) -> None:
    stages = [station(*(replace(kind, replicas=1) for kind in each.servers[:1])) for each in world.stations]
    stages = [each for each in stages if each.servers] or [station(servers(1))]
    found = endings([run(chain(len(stages)), stages, np.array(world.arrivals_s))])
    ends_s = [each.at_s for each in found]
    assert ends_s == sorted(ends_s)


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_only_the_seed_decides(world: World) -> None:
    arrivals_s = np.array(world.arrivals_s)
    first = endings([run(world.network, world.stations, arrivals_s, world.seed)])
    assert first == endings([run(world.network, world.stations, arrivals_s, world.seed)])


def test_another_seed_draws_other_numbers() -> None:
    stages = [station(random_servers(exponential_quantiles_s(1.0)))]
    arrivals_s = np.arange(100.0)
    one, other = (run(chain(1), stages, arrivals_s, seed).at_s for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_coins_fall_with_their_probability_and_independently_in_two_stages() -> None:
    network = graph((), (0,), (0,), probability=[1.0, 0.3, 0.6])
    stages = [station(servers(1e-6, accuracy=each)) for each in (1.0, 0.5, 0.1)]
    accuracy = run(network, stages, np.arange(100_000.0)).accuracy
    for expected, share in ((1.0, 0.28), (0.5, 0.12), (0.1, 0.42), (0.05, 0.18)):
        found = float(np.mean(np.isclose(accuracy, expected)))
        assert abs(found - share) < 3.3 * (share * (1 - share) / 1e5) ** 0.5


@given(worlds(), st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_occupancy_is_the_time_average_of_what_the_oracle_served(world: World, until_s: int) -> None:
    network = Network(((),), (1.0,), world.network.drop_after_s, world.network.queue_limit, in_flight=1)
    expected = simulate(network, world.stations[:1], world.arrivals_s, seed=world.seed)
    engine = Engine(network, world.stations[:1], world.seed)
    arrivals_s = np.array(world.arrivals_s)
    engine.advance(arrivals_s[arrivals_s < until_s], float(until_s))
    found = engine.occupancy()[0]
    busy_s = sum(max(0.0, min(each.end_s, until_s) - each.start_s) for each in expected.services)
    stays = zip(expected.endings, world.arrivals_s, strict=True)
    present_s = sum(max(0.0, min(ending.at_s, until_s) - at_s) for ending, at_s in stays)
    assert np.allclose([found.busy, found.requests], [busy_s / until_s, present_s / until_s], rtol=0, atol=1e-12)


def test_a_batch_that_waits_at_its_replica_is_not_in_service_yet() -> None:
    engine = Engine(chain(1, in_flight=2), [station(servers(1))])
    engine.advance(np.array([0.0, 0.0]), 0.5)
    assert engine.occupancy()[0].busy == 1.0


# --- the edges --------------------------------------------------------------------------------------------------------


def test_no_arrivals_no_endings() -> None:
    engine = Engine(chain(2), [station(servers(1)), station(servers(1))])
    for until_s in (0.0, 5.0, 5.0, inf):
        assert len(engine.advance(EMPTY, until_s).request) == 0
    assert engine.now_s == 5.0


def test_a_million_at_once_through_one_replica() -> None:
    found = run(chain(1), [station(servers(1, 2, 3, 4))], np.zeros(1_000_000))
    assert (found.outcome == ANSWERED).all()
    assert np.array_equal(found.request, np.arange(1_000_000))
    batches = 4.0 * (1 + np.arange(999_999) // 4) + 1.0  # the first goes alone
    batches[-3:] = batches[-4] + 3.0  # and three are left at the end
    assert np.array_equal(found.at_s, np.concatenate([[1.0], batches]))


def test_a_full_queue_drops_at_once_and_says_so() -> None:
    found = run(chain(1, queue_limit=9), [station(servers(1))], np.zeros(1_000))
    assert int((found.outcome == ANSWERED).sum()) == 10
    dropped = found.outcome == DROPPED
    assert found.full[dropped].all()
    assert (found.at_s[dropped] == 0).all()
    assert (found.stage[dropped] == 0).all()


def test_a_pipeline_without_replicas_drops_all() -> None:
    found = run(chain(2), [station(servers(1)), station()], np.arange(100.0))
    assert (found.outcome == DROPPED).all()
    assert (found.stage == 1).all()
    assert not found.full.any()
    assert np.array_equal(found.at_s, np.arange(100.0) + 1)


def test_all_too_late_from_the_start_are_dropped_where_they_arrive() -> None:
    found = run(chain(1, drop_after_s=1), [station(servers(1), remaining_s=2)], np.arange(5.0))
    assert (found.outcome == DROPPED).all()
    assert np.array_equal(found.at_s, np.arange(5.0))


def test_a_change_after_all_has_ended_finds_idle_replicas() -> None:
    engine = Engine(chain(1), [station(servers(1))])
    engine.advance(np.array([0.0]), 10.0)
    assert engine.change({0: station(servers(2))}) == 10.0
    assert engine.advance(np.array([10.0]), inf).at_s.tolist() == [12.0]


@pytest.mark.parametrize("stages", [1, 3])
def test_no_change_is_no_change(stages: int) -> None:
    network: Network = chain(stages)
    same = [station(servers(1, 2), wait_s=1) for _ in range(stages)]
    engine = Engine(network, same)
    steps = []
    for at_s in range(20):
        assert engine.change(dict(enumerate(same))) == engine.now_s
        steps.append(engine.advance(np.array([float(at_s)] * 2), at_s + 1.0))
    steps.append(engine.advance(EMPTY, inf))
    assert endings(steps) == endings([run(network, same, np.repeat(np.arange(20.0), 2))])
