"""Random small worlds for hypothesis. All times are whole seconds, so that ties abound and sums are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from hypothesis import strategies as st

from ipa.simulation.stations import Network, Servers, Station

LAST_S = 24
ACCURACIES = (1.0, 0.5, 0.75, 0.875)  # their products are exact in any order


@dataclass(frozen=True)
class World:
    """`cuts_s`: where a run may be chopped into steps, in order; every change is at one of them."""

    network: Network
    stations: tuple[Station, ...]
    arrivals_s: tuple[float, ...]
    changes: tuple[tuple[float, Mapping[int, Station]], ...]
    cuts_s: tuple[float, ...]
    seed: int


@st.composite
def graphs(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Chains and diamonds often, otherwise any graph: several sources, branches, joins."""
    known = (((),), ((), (0,)), ((), (0,), (1,)), ((), (0,), (0,), (1, 2)))
    if draw(st.booleans()):
        return draw(st.sampled_from(known))
    stages = draw(st.integers(1, 5))
    return tuple(tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else () for i in range(stages))


@st.composite
def kinds(draw: st.DrawFn, batch: int, rows: int) -> Servers:
    service_s = [draw(st.integers(1, 4)) for _ in range(batch)]
    return Servers(np.array([service_s] * rows, dtype=np.float64), draw(st.sampled_from(ACCURACIES)), 1)


@st.composite
def stations(draw: st.DrawFn, rows: int) -> Station:
    """0 to 4 replicas of up to 3 kinds."""
    batch = draw(st.integers(1, 5))
    replicas = draw(st.sampled_from([1, 1, 1, 1, 2, 2, 2, 3, 4, 0]))
    found: list[Servers] = []
    while replicas:
        some = draw(st.integers(1, replicas)) if len(found) < 2 else replicas
        kind = draw(kinds(batch, rows))
        found.append(Servers(kind.service_s, kind.accuracy, some))
        replicas -= some
    wait_s = draw(st.sampled_from([0.0, 0.0, 1.0, 2.0, 5.0]))
    return Station(tuple(found), batch, wait_s, float(draw(st.sampled_from([0, 0, 1, 2, 3, 6]))))


@st.composite
def reshaped(draw: st.DrawFn, before: Station, rows: int) -> Station:
    """Another station, or the same kinds in other numbers and another order: some replicas stay."""
    if draw(st.booleans()):
        return draw(stations(rows))
    servers = [Servers(each.service_s, each.accuracy, draw(st.integers(0, 3))) for each in before.servers]
    order = draw(st.permutations(servers))
    return Station(tuple(order), before.batch, before.wait_s, before.remaining_s)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    after = draw(graphs())
    probability = tuple(draw(st.sampled_from([1.0, 1.0, 0.5, 0.0])) if each else 1.0 for each in after)
    network = Network(
        after,
        probability,
        drop_after_s=draw(st.sampled_from([inf, 20.0, 12.0, 8.0, 5.0])),
        queue_limit=draw(st.sampled_from([1000, 20, 5, 3, 1])),
        in_flight=draw(st.sampled_from([1, 1, 2, 3])),
        coins=tuple((draw(st.integers(0, at)), draw(st.sampled_from([0.0, 0.5]))) for at in range(len(after)))
        if draw(st.booleans())
        else (),
    )
    rows = draw(st.sampled_from([1, 1, 1, 3]))  # three equal rows: drawn at random, and yet exact
    first = tuple(draw(stations(rows)) for _ in after)
    times = st.integers(0, LAST_S)
    requests = draw(st.integers(0, 40))  # drawn by itself: lists of any size are mostly short
    arrivals_s = sorted(draw(st.lists(times, min_size=requests, max_size=requests)))
    changed_s = sorted(draw(st.sets(times, max_size=4)))
    numbers = st.sets(st.integers(0, len(after) - 1), min_size=1, max_size=2)
    changes = tuple((float(at_s), {i: draw(reshaped(first[i], rows)) for i in draw(numbers)}) for at_s in changed_s)
    cuts_s = sorted({*changed_s, *draw(st.sets(times, max_size=6))})
    return World(
        network, first, tuple(map(float, arrivals_s)), changes, tuple(map(float, cuts_s)), draw(st.integers(0, 5))
    )


# --- large ones, by seed ----------------------------------------------------------------------------------------------

LARGE_AFTER = ((), (0,), (0,), (1, 2), (3,))
LARGE_S = 200


def large_world(seed: int) -> World:
    """A diamond and one stage more, near its capacity: 2,000 requests, 20 changes; times are 64ths of a second."""
    random = np.random.default_rng(seed)
    arrivals_s = np.sort(random.integers(0, LARGE_S * 64, 2_000)) / 64
    changes = tuple((float(at_s), {int(random.integers(5)): _large(random)}) for at_s in range(5, LARGE_S, 10))
    cuts_s = sorted({*(at_s for at_s, _ in changes), *(random.integers(0, LARGE_S * 64, 30) / 64)})
    return World(
        Network(LARGE_AFTER, (1.0, 0.5, 0.8, 1.0, 0.9), drop_after_s=8.0, queue_limit=60, in_flight=1 + seed % 3),
        tuple(_large(random) for _ in LARGE_AFTER),
        tuple(arrivals_s.tolist()),
        changes,
        tuple(map(float, cuts_s)),
        seed,
    )


def _large(random: np.random.Generator) -> Station:
    """One or two of three kinds, so that a change often lets some replicas stay."""
    batch = 4
    kinds = random.permutation(3)[: random.integers(1, 3)]
    servers = []
    for kind in kinds:
        service_s = [[(6 + kind) * (3 + n) / 64 for n in range(batch)]]
        servers.append(Servers(np.array(service_s), ACCURACIES[kind], int(random.integers(1, 4))))
    return Station(tuple(servers), batch, float(random.choice([0.0, 0.25, 1.0])), 0.5)
