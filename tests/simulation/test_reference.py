"""The oracle against timelines made by hand and against theory: who guards the guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.dataplane.queue import Rule, StageQueue, Waiting
from ipa.simulation.stations import Network, Station
from tests.simulation.build import chain, graph, random_servers, servers, station
from tests.simulation.reference import ANSWERED, DROPPED, History, Place, Request, Simulation, simulate, uniform
from tests.simulation.theory import (
    REPLICATIONS,
    exponential_quantiles_s,
    interval,
    moments,
    wait_of_bulk_server_s,
    wait_of_one_server_s,
)
from tests.simulation.worlds import World, worlds

A, D, FULL = "answered", "dropped", "full"
Line = tuple[str, float, int]


def lines(history: History) -> list[Line]:
    """What became of each request, when, and in which stage (-1: answered)."""
    words = {(ANSWERED, False): A, (DROPPED, False): D, (DROPPED, True): FULL}
    return [(words[each.outcome, each.full], each.at_s, each.stage) for each in history.endings]


@pytest.mark.parametrize(
    ("network", "stations", "arrivals_s", "expected", "why"),
    [
        (chain(1), [station(servers(2))], [0, 1, 9], [(A, 2, -1), (A, 4, -1), (A, 11, -1)], "one at a time, in order"),
        (
            chain(1),
            [station(servers(2, 3, 4))],
            [0, 0, 0],
            [(A, 2, -1), (A, 5, -1), (A, 5, -1)],
            "of three that meet an idle stage at once the first goes alone, the others wait for the next batch",
        ),
        (
            chain(1),
            [station(servers(2, 3, replicas=2))],
            [0, 0, 1, 1],
            [(A, 2, -1), (A, 2, -1), (A, 5, -1), (A, 5, -1)],
            "both replicas are done at 2: the first of them takes all that waits",
        ),
        (
            chain(1),
            [station(servers(4), servers(1))],
            [0, 0, 2],
            [(A, 4, -1), (A, 1, -1), (A, 3, -1)],
            "the preferred kind goes first though it is slower; the other while it is busy",
        ),
        (
            chain(2),
            [station(servers(1, 2)), station(servers(1, 3))],
            [0, 0, 0],
            [(A, 2, -1), (A, 4, -1), (A, 5, -1)],
            "1 and 2 end together at 3; then 1 meets an idle stage and goes on alone",
        ),
        (
            chain(1),
            [station(servers(2, 2, 2), wait_s=5)],
            [0, 1, 4, 9],
            [(A, 6, -1), (A, 6, -1), (A, 6, -1), (A, 16, -1)],
            "a full batch goes at once (at 4), the lone one after its wait (at 14)",
        ),
        (
            chain(1, drop_after_s=7),
            [station(servers(2, 2, 2), wait_s=5, remaining_s=3)],
            [0, 1],
            [(A, 4, -1), (A, 4, -1)],
            "nobody waits for more than half the time to spare: (7 − 3)/2",
        ),
        (
            chain(1, drop_after_s=5),
            [station(servers(3), remaining_s=3)],
            [0, 0, 0],
            [(A, 3, -1), (D, 3, 0), (D, 3, 0)],
            "at 3 both are 3 old and need 3 more than the 5 allow",
        ),
        (
            chain(1, drop_after_s=6),
            [station(servers(3), remaining_s=3)],
            [0, 0, 0],
            [(A, 3, -1), (A, 6, -1), (D, 6, 0)],
            "age + remaining of exactly drop_after is in time",
        ),
        (
            chain(1, queue_limit=1),
            [station(servers(3))],
            [0, 0, 0, 3, 3],
            [(A, 3, -1), (A, 6, -1), (FULL, 0, 0), (A, 9, -1), (FULL, 3, 0)],
            "one may wait; the completion at 3 comes before the arrivals at 3",
        ),
        (chain(1), [station()], [1], [(D, 1, 0)], "a stage without a replica refuses"),
        (
            chain(1, in_flight=2),
            [station(servers(4), servers(1))],
            [0, 0, 0, 0, 0],
            [(A, 4, -1), (A, 1, -1), (A, 8, -1), (A, 2, -1), (A, 3, -1)],
            "by batches held, not by time: the third is behind the first on the slow one",
        ),
        (
            graph((), (0,), (0,), (1, 2)),
            [station(servers(1)), station(servers(2)), station(servers(5)), station(servers(1))],
            [0],
            [(A, 7, -1)],
            "a join waits for the slower branch",
        ),
        (
            graph((), (0,), (0,), (1, 2), probability=[1, 0, 1, 1]),
            [station(servers(1)), station(servers(9)), station(servers(5)), station(servers(1))],
            [0],
            [(A, 7, -1)],
            "a branch not taken is not waited for",
        ),
        (
            graph((), (0,), (1,), probability=[1, 0, 1]),
            [station(servers(1)), station(servers(9)), station(servers(5))],
            [0],
            [(A, 1, -1)],
            "what follows only skipped stages is skipped",
        ),
        (
            graph((), (), queue_limit=1),
            [station(servers(9)), station(servers(1))],
            [0, 0, 0, 1],
            [(A, 9, -1), (A, 18, -1), (FULL, 0, 0), (FULL, 1, 0)],
            "who is refused in stage 0 never comes to stage 1",
        ),
        (
            graph((), (), queue_limit=1),
            [station(servers(1)), station(servers(9))],
            [0, 0, 0, 1, 1],
            [(A, 9, -1), (A, 18, -1), (FULL, 0, 0), (FULL, 1, 1), (FULL, 1, 1)],
            "refused by stage 1, request 3 frees its place in stage 0, so that 4 comes as far as stage 1, too",
        ),
    ],
)
def test_a_timeline_is_as_made_by_hand(
    network: Network, stations: Sequence[Station], arrivals_s: Sequence[float], expected: Sequence[Line], why: str
) -> None:
    assert lines(simulate(network, stations, arrivals_s)) == expected, why


SLOW, FAST = servers(4), servers(1)


@pytest.mark.parametrize(
    ("stages", "arrivals_s", "changes", "expected", "left_idle_s", "why"),
    [
        (
            [station(servers(4, replicas=2))],
            [0, 0, 0],
            [(2, {0: station(SLOW)})],
            [(A, 4, -1), (A, 4, -1), (A, 8, -1)],
            (4,),
            "of two replicas the first stays; the second finishes what it holds and takes no more",
        ),
        (
            [station(SLOW)],
            [0, 0, 0],
            [(2, {0: station(servers(4, replicas=2))})],
            [(A, 4, -1), (A, 6, -1), (A, 8, -1)],
            (2,),
            "a new replica starts at once; the first went on, so it is free at 4",
        ),
        (
            [station(SLOW), station(SLOW)],
            [0, 4],
            [(4, {0: station(FAST), 1: station(FAST)})],
            [(A, 5, -1), (A, 6, -1)],
            (4,),
            "completions, the change, arrivals: 0 finds the fast second stage, 1 the fast first",
        ),
        (
            [station(SLOW)],
            [0, 0, 5],
            [(2, {0: station()})],
            [(A, 4, -1), (D, 2, 0), (D, 5, 0)],
            (4,),
            "without replicas who waits is refused, who comes too; what is in service is answered",
        ),
        (
            [station(SLOW)],
            [0, 0, 2],
            [(1, {0: station(FAST)}), (2, {0: station(SLOW)})],
            [(A, 4, -1), (A, 2, -1), (A, 6, -1)],
            (4, 2),
            "a replica that left does not come back: at 2 a new slow one starts",
        ),
        (
            [station(servers(3), servers(9))],
            [0, 0, 0, 0],
            [(1, {0: station(servers(9), servers(3))})],
            [(A, 3, -1), (A, 9, -1), (A, 6, -1), (A, 9, -1)],
            (1,),
            "both stay in another order, with the work they have",
        ),
        (
            [station(servers(3))],
            [0, 0, 0],
            [(1, {0: station(servers(3, 4))})],
            [(A, 3, -1), (A, 5, -1), (A, 5, -1)],
            (3,),
            "other service times are another kind; it takes the larger batch at once",
        ),
        (
            [station(servers(1, 1), wait_s=8)],
            [0],
            [(3, {0: station(servers(1, 1), wait_s=4)})],
            [(A, 5, -1)],
            (3,),
            "a shorter wait counts from when it joined the queue",
        ),
    ],
)
def test_a_change_is_as_made_by_hand(
    stages: Sequence[Station],
    arrivals_s: Sequence[float],
    changes: Sequence[tuple[float, Mapping[int, Station]]],
    expected: Sequence[Line],
    left_idle_s: Sequence[float],
    why: str,
) -> None:
    history = simulate(chain(len(stages)), stages, arrivals_s, changes)
    assert lines(history) == expected, why
    assert history.left_idle_s == left_idle_s, why


def test_the_accuracy_of_an_answer_is_the_product_over_the_stages_that_ran() -> None:
    network = graph((), (0,), (0,), probability=[1, 0, 1])
    stages = [station(servers(1, accuracy=0.5)), station(servers(1, accuracy=0.1)), station(servers(1, accuracy=0.75))]
    assert simulate(network, stages, [0]).endings[0].accuracy == 0.375


@pytest.mark.parametrize(("seed", "word"), [(1, 0xE220A8397B1DCDAF), (2, 0x6E789E6AA1B965F4), (3, 0x06C45D188009454F)])
def test_the_coin_is_that_of_splitmix64(seed: int, word: int) -> None:
    """The first three words of the published generator from state 0, which are the mix of 1, 2 and 3 steps."""
    assert uniform(seed, -1, -1) == (word >> 11) / 2**53


def test_coins_fall_as_often_as_their_probability_in_every_stage() -> None:
    for stage in range(3):
        mean = np.mean([uniform(7, stage, request) < 0.3 for request in range(20_000)])
        assert abs(mean - 0.3) < 3.3 * (0.21 / 20_000) ** 0.5


# --- theory: few requests, for this simulation is slow ----------------------------------------------------------------


def mean_wait_s(stations: Sequence[Station], rate_rps: float, seed: int, requests: int = 2_000) -> float:
    """Of the first stage; the first tenth is left out."""
    arrivals_s = np.cumsum(np.random.default_rng(seed).exponential(1 / rate_rps, requests))
    services = simulate(chain(1), stations, arrivals_s.tolist(), seed=seed).services
    return float(
        np.mean([each.start_s - arrivals_s[i] for each in services for i in each.requests if i >= requests // 10])
    )


def test_one_server_waits_as_pollaczek_and_khinchine_say() -> None:
    constant = interval([mean_wait_s([station(servers(1))], 0.6, seed) for seed in range(REPLICATIONS)])
    assert constant.holds(wait_of_one_server_s(0.6, 1.0, 1.0))
    quantiles_s = exponential_quantiles_s(1.0, rows=257)
    random = interval([mean_wait_s([station(random_servers(quantiles_s))], 0.5, seed) for seed in range(REPLICATIONS)])
    assert random.holds(wait_of_one_server_s(0.5, *moments(quantiles_s)))


def test_greedy_batches_wait_as_the_chain_of_their_queues_says() -> None:
    service_s = (1.0, 1.2, 1.4, 1.5)
    found = interval([mean_wait_s([station(servers(*service_s))], 1.8, seed) for seed in range(REPLICATIONS)])
    assert found.holds(wait_of_bulk_server_s(1.8, service_s))


# --- what must hold in every world ------------------------------------------------------------------------------------


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_no_replica_idles_while_a_greedy_queue_is_not_empty_and_batches_keep_their_size(world: World) -> None:
    """One stage without changes: who waits until `taken_s` finds every replica holding all it may at each arrival."""
    network = Network(((),), (1.0,), inf, 1000, world.network.in_flight)
    greedy = replace(world.stations[0], wait_s=0.0)
    replicas = sum(kind.replicas for kind in greedy.servers)
    services = simulate(network, [greedy], world.arrivals_s).services
    for each in services:
        assert len(each.requests) <= greedy.batch
        assert list(each.requests) == list(range(each.requests[0], each.requests[-1] + 1)), "first in, first out"
        for request in each.requests:
            for moment_s in np.arange(world.arrivals_s[request], each.taken_s, 0.5):
                held = sum(other.taken_s <= moment_s < other.end_s for other in services)
                assert held == replicas * network.in_flight


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_replicas_never_work_on_more_batches_than_there_are(world: World) -> None:
    history = simulate(world.network, world.stations, world.arrivals_s, seed=world.seed)
    for service in history.services:
        working = [
            other
            for other in history.services
            if other.stage == service.stage and other.start_s <= service.start_s < other.end_s
        ]
        assert len(working) <= sum(kind.replicas for kind in world.stations[service.stage].servers)
    for request, ending in enumerate(history.endings):
        assert ending.at_s >= world.arrivals_s[request]


# --- the router's own queue ------------------------------------------------------------------------------------------

GRID_S = st.integers(0, 12)


@given(
    st.lists(st.tuples(GRID_S, GRID_S), min_size=1, max_size=8),
    st.integers(0, 6),
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(0, 6),
    st.sampled_from([4.0, 8.0, 20.0, inf]),
)
@settings(deadline=None, max_examples=200)
def test_a_batch_is_taken_as_the_router_takes_it(
    ages_s: list[tuple[int, int]], now_s: int, batch: int, wait_s: int, remaining_s: int, drop_after_s: float
) -> None:
    """The same batch, the same drops, the same timer as the queue that serves real requests."""
    simulation = Simulation(chain(1, drop_after_s=drop_after_s), [Station((SLOW,), batch, wait_s, remaining_s)], 0)
    simulation.now_s = now_s
    (stage,) = simulation.stages
    queue: StageQueue[int] = StageQueue(100)
    for number, (in_queue_s, before_s) in enumerate(ages_s):
        queued_s = now_s - in_queue_s
        received_s = queued_s - before_s
        stage.queue.append(Place(Request(number, received_s), queued_s))
        queue.put(Waiting(number, 1, "a", received_s, queued_s))
    requests = [place.request for place in stage.queue]
    expected = queue.take(now_s, Rule(batch, wait_s, remaining_s, drop_after_s))
    found = simulation._take(stage)
    assert [request.number for request in found] == [waiting.content for waiting in expected.batch]
    dropped = [request.number for request in requests if request.ending is not None]
    assert dropped == [waiting.content for waiting in expected.dropped]
    assert stage.timers == ({expected.wait_until_s} - {None})
