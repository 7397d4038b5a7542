"""Leader election in virtual time: never two at once, whatever clocks say and requests take; and no long vacancy."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.kubernetes.lease import (
    JITTER,
    Election,
    Lease,
    Timing,
    lease_document,
    lease_from,
    observed,
    released,
    wanted,
    written,
)

TIMEOUT_S = 4.0
MINE, OTHER = "me_1", "other_2"


def lease(holder: str = OTHER, renewed: str = "a", version: str = "1") -> Lease:
    return Lease(holder, 15.0, "a", renewed, 0, version)


def test_a_free_lease_is_taken_and_counts_from_when_it_was_sent() -> None:
    election = observed(Election(MINE), None, 100.0)
    asked = wanted(election, 100.0, 0.0)
    assert asked is not None and asked.holder == MINE and asked.version == ""
    leads = written(election, asked, 100.0)
    assert leads.may_act(109.9)
    assert not leads.may_act(110.0)


def test_somebody_elses_lease_counts_for_its_duration_since_it_was_last_seen_to_change() -> None:
    election = observed(Election(MINE), lease(), 100.0)
    assert wanted(election, 114.9, 0.0) is None
    renewed = observed(election, lease(renewed="b", version="2"), 114.9)
    assert wanted(renewed, 129.0, 0.0) is None
    taken = wanted(renewed, 130.0, 0.0)
    assert taken is not None
    assert (taken.holder, taken.transitions, taken.version) == (MINE, 1, "2")


def test_the_times_in_the_object_are_never_compared_with_a_clock() -> None:
    ancient = replace(lease(), renewed="1970-01-01T00:00:00.000000Z")
    assert wanted(observed(Election(MINE), ancient, 100.0), 114.0, 2e9) is None
    future = replace(lease(), renewed="2999-01-01T00:00:00.000000Z")
    assert wanted(observed(Election(MINE), future, 100.0), 115.0, 0.0) is not None


def test_an_unchanged_lease_is_not_seen_anew() -> None:
    election = observed(observed(Election(MINE), lease(), 100.0), lease(version="7"), 110.0)
    assert election.seen_s == 100.0
    assert election.seen is not None and election.seen.version == "7"


def test_who_finds_another_holder_stops_at_once() -> None:
    leads = written(Election(MINE), lease(MINE), 100.0)
    assert leads.may_act(101.0)
    assert not observed(leads, lease(), 101.0).may_act(101.0)
    assert not observed(leads, None, 101.0).may_act(101.0)


def test_a_released_lease_is_free_at_once() -> None:
    leads = written(Election(MINE), lease(MINE, version="4"), 100.0)
    free = released(leads, 0.0)
    assert free is not None and free.holder == "" and free.version == "4"
    assert wanted(observed(Election(OTHER), free, 100.0), 100.0, 0.0) is not None
    assert released(observed(leads, lease(), 101.0), 0.0) is None


def test_a_lease_survives_the_way_to_json_and_back() -> None:
    document = lease_document("toy-controller", {}, lease())
    assert lease_from(document) == lease()
    empty = {"metadata": {"resourceVersion": "3"}, "spec": {}}
    assert lease_from(empty) == Lease("", 0.0, "", "", 0, "3")


# --- many candidates, one server --------------------------------------------------------------------------------


@dataclass
class Server:
    lease: Lease | None = None
    version: int = 0

    def write(self, asked: Lease) -> Lease | None:
        """As the API server: a stale resourceVersion, or creating what exists, is a conflict."""
        if (self.lease.version if self.lease else "") != asked.version:
            return None
        self.version += 1
        self.lease = replace(asked, version=str(self.version))
        return self.lease


@dataclass
class Candidate:
    """Runs as the elector does; `yield` waits in true time. Its clock has an offset and a rate of its own."""

    name: str
    server: Server
    random: Random
    rate: float
    election: Election = field(init=False)
    offset_s: float = field(init=False)
    true_s: float = 0.0
    away_until_s: float = 0.0

    def __post_init__(self) -> None:
        self.election = Election(self.name, Timing())
        self.offset_s = self.random.uniform(0, 1e6)

    @property
    def now_s(self) -> float:
        return self.offset_s + self.rate * self.true_s

    def leads(self) -> bool:
        return self.election.may_act(self.now_s)

    def run(self) -> Iterator[float]:
        while True:
            yield from self.attempt()
            retry_s = self.election.timing.retry_s
            yield retry_s if self.leads() else retry_s * (1 + JITTER * self.random.random())

    def attempt(self) -> Iterator[float]:
        if self.true_s < self.away_until_s:
            yield TIMEOUT_S
            return
        if not self.leads():
            yield self.random.choice((0.001, 0.1, 1.0))
            found = self.server.lease
            yield self.random.choice((0.001, 0.1, 1.0))
            self.election = observed(self.election, found, self.now_s)
        asked = wanted(self.election, self.now_s, self.true_s)
        if asked is None:
            return
        sent_s = self.now_s
        yield self.random.choice((0.001, 0.1, 3.0))  # on its way
        accepted = self.server.write(asked)
        yield self.random.choice((0.001, 0.1))
        if self.random.random() < 0.1:  # the answer is lost: it only knows that it does not know
            yield TIMEOUT_S
            return
        if accepted is None:
            self.election = observed(self.election, self.server.lease, self.now_s)
        else:
            self.election = written(self.election, accepted, sent_s)


def simulate(seed: int, count: int, rates: list[float], seconds: float) -> tuple[list[list[str]], list[Candidate]]:
    """Who may act, every 50 ms of true time; candidates lose the server now and then, for up to a minute."""
    random, server = Random(seed), Server()
    candidates = [Candidate(f"c{i}", server, random, rates[i]) for i in range(count)]
    queue = [(random.random(), i, c.run()) for i, c in enumerate(candidates)]
    heapq.heapify(queue)
    samples: list[list[str]] = []
    for tick in range(round(seconds / 0.05)):
        true_s = tick * 0.05
        while queue[0][0] <= true_s:
            at_s, i, run = heapq.heappop(queue)
            candidates[i].true_s = at_s
            heapq.heappush(queue, (at_s + next(run), i, run))
        for candidate in candidates:
            candidate.true_s = true_s
            if random.random() < 0.001:
                candidate.away_until_s = true_s + random.uniform(0, 60)
        samples.append([c.name for c in candidates if c.leads()])
    return samples, candidates


@given(st.integers(0, 2**32), st.integers(2, 4), st.lists(st.floats(0.9, 1.1), min_size=4, max_size=4))
@settings(deadline=None, max_examples=40)
def test_two_never_lead_at_once(seed: int, count: int, rates: list[float]) -> None:
    samples, _ = simulate(seed, count, rates, 200.0)
    assert max(map(len, samples)) <= 1
    assert any(samples)
