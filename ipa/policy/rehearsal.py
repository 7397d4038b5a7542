"""A plan through the simulated data plane before it runs: does it keep its percentile?

All plans meet the same arrivals (common random numbers), so that two plans differ by what they are, not by luck.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np

from ipa.domain import Config, Measurement, Pipeline, Plan, Slo
from ipa.errors import UsageError
from ipa.policy.sections import most_missed, percentile_s, requests_for
from ipa.policy.solution import Certificate
from ipa.simulation.engine import Engine, run
from ipa.simulation.service import SERVICES
from ipa.simulation.stations import Network, Servers, Station, Stations, network
from ipa.workload.expression import LARGEST_CV, SMALLEST_CV
from ipa.workload.processes import FloatArray
from ipa.workload.summary import ANSWERED, in_time
from ipa.workload.variation import POISSON

LOOKS = 40  # at a run on its way: one that can no longer pass ends there
FEWEST_BETWEEN = 2_500  # requests between two looks: each look takes as long as some thousand of them
EARLY, WELL = 0.25, 0.5  # after a quarter of the run half of the misses allowed by then: not hopeless
RAREST = 1e-4  # requests in the time of one SLO: rarer ones never meet, and float64 would lose their latencies
MOST_REPLICAS = 100_000  # that are simulated: each takes memory


@dataclass(frozen=True, slots=True, eq=False)
class SoFar:
    """Of a run: seconds of every request, inf where it was dropped, NaN while it is under way. The first `due` have had
    their time, and `missed` of them were not answered in it."""

    latency_s: FloatArray
    due: int
    missed: int


@dataclass(frozen=True, slots=True)
class Around:
    """What the other stages take before and behind one stage on the slowest path through it."""

    before_s: float
    behind_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """The data plane of one pipeline and the arrivals for all plans.

    `visits`: the share of the requests that visit each stage. `least_s`: the least time of any server of each stage.
    """

    slo: Slo
    network: Network
    stations: Stations
    visits: tuple[float, ...]
    least_s: tuple[float, ...]
    arrivals_s: FloatArray
    cv: float

    def certificate(self, plan: Plan) -> Certificate | None:
        """Passed: the upper end of the percentile's confidence interval is within the SLO; None: it is not.

        Raises UsageError for a plan too large to be simulated.
        """
        slo, requests = self.slo, len(self.arrivals_s)
        if not requests:
            return self.nothing()
        latency_s = self.latencies_s(plan)
        if latency_s is None:
            return None
        value_s, half_width_s = percentile_s(latency_s, slo.percentile)
        if not in_time(np.array([value_s + half_width_s]), slo.latency_s)[0]:
            return None
        share = float(np.mean(in_time(latency_s, slo.latency_s)))
        return Certificate(slo.percentile, value_s, half_width_s, share, requests, self.cv)

    def latencies_s(self, plan: Plan) -> FloatArray | None:
        """Of every request, inf where it was dropped; None as soon as more are late than the percentile leaves.

        Raises UsageError for a plan too large to be simulated.
        """
        slo, latency_s = self.slo, np.empty(0)
        for so_far in _looks(self.network, self._stations(plan), self.arrivals_s, slo.latency_s):
            if so_far.missed > most_missed(len(self.arrivals_s), slo.percentile):
                return None
            latency_s = so_far.latency_s
        return latency_s

    def hopeless(self, plan: Plan, stage: int) -> bool:
        """Whether a stage has too few replicas, however many the other stages have of their options.

        With enough of them the others only delay each request by their least time, so this stage is simulated for
        itself. With batches of 1 that bound is exact: a request that comes earlier to a FIFO queue leaves earlier, and
        so do all behind it (Asmussen, Applied Probability and Queues, ch. XII). Larger batches can gain a little where
        requests come late together. False is no promise.
        """
        stations = self._stations(plan)
        least_s = [float(station.servers[0].service_s.min()) for station in stations]
        return self._fails(stations[stage], stage, least_s)

    def hopeless_alone(self, plan: Plan, stage: int) -> bool:
        """As `hopeless`, whatever options the other stages choose."""
        return self._fails(self._stations(plan)[stage], stage, self.least_s)

    def nothing(self) -> Certificate:
        """The certificate without numbers."""
        return Certificate(self.slo.percentile, None, None, None, len(self.arrivals_s), self.cv)

    def _stations(self, plan: Plan) -> tuple[Station, ...]:
        for a in plan.allocations:
            if a.replicas > MOST_REPLICAS:
                rule = f"{MOST_REPLICAS:,} at most can be simulated"
                raise UsageError(f"stage {a.stage}: the plan has {a.replicas:,} replicas of {a.variant}, {rule}")
        return self.stations.of_plan(plan)

    def _fails(self, station: Station, stage: int, least_s: Sequence[float]) -> bool:
        requests = len(self.arrivals_s)
        if not requests:
            return False
        around = _around(self.network.after, self.visits, least_s)[stage]
        alone = replace(
            self.network,
            after=((),),
            probability=(self.visits[stage],),
            coins=(),
            drop_after_s=self.network.drop_after_s - around.before_s,
        )
        own = replace(station, remaining_s=float(station.servers[0].service_s[:, 0].mean()) + around.behind_s)
        most = most_missed(requests, self.slo.percentile)
        slo_s = self.slo.latency_s - around.before_s - around.behind_s
        for so_far in _looks(alone, (own,), self.arrivals_s, slo_s):
            if so_far.missed > most:
                return True
            if so_far.due > EARLY * requests and so_far.missed < WELL * most * so_far.due / requests:
                return False
        return False


def _looks(graph: Network, stations: Sequence[Station], arrivals_s: FloatArray, slo_s: float) -> Iterator[SoFar]:
    """One run, in LOOKS parts of as many arrivals or fewer parts; the last goes on until the queues have drained."""
    engine = Engine(graph, stations)
    latency_s = np.full(len(arrivals_s), np.nan)
    size, first = max(FEWEST_BETWEEN, ceil(len(arrivals_s) / LOOKS)), 0
    for until_s in [*arrivals_s[size::size].tolist(), inf]:
        last = int(np.searchsorted(arrivals_s, until_s))
        ended = engine.advance(arrivals_s[first:last], until_s)
        first = last
        taken_s = ended.at_s - arrivals_s[ended.request]
        latency_s[ended.request] = np.where(ended.outcome == ANSWERED, taken_s, inf)
        due = int(np.searchsorted(arrivals_s, until_s - slo_s))
        yield SoFar(latency_s, due, due - int(np.count_nonzero(in_time(latency_s[:due], slo_s))))


def _around(after: Sequence[Sequence[int]], visits: Sequence[float], least_s: Sequence[float]) -> list[Around]:
    """Per stage; only stages that every request visits delay the others."""
    certain: list[bool] = []
    for s, before in enumerate(after):
        certain.append(visits[s] >= 1 and (not before or any(certain[p] for p in before)))
    own_s = [least_s[s] if certain[s] else 0.0 for s in range(len(after))]
    before_s: list[float] = []
    for before in after:
        before_s.append(max((before_s[p] + own_s[p] for p in before), default=0.0))
    behind_s = [0.0] * len(after)
    for s in reversed(range(len(after))):
        for p in after[s]:
            behind_s[p] = max(behind_s[p], behind_s[s] + own_s[s])
    return [Around(*pair) for pair in zip(before_s, behind_s, strict=True)]


# --- made of a config ------------------------------------------------------------------------------------------


def warm_up(graph: Network) -> None:
    """Compile the simulator where this machine has not yet: seconds, once, no part of a decision's time."""
    station = Station((Servers(np.ones((1, 1)), 1.0, 1),), batch=1, wait_s=0.0, remaining_s=1.0)
    alone = replace(graph, after=((),), probability=(1.0,), coins=())
    for each in (graph, alone):
        run(each, [station] * len(each.after), np.empty(0))


def rehearsal(config: Config, rate_rps: float, cv: float = POISSON, seed: int = 0) -> Rehearsal:
    """Poisson arrivals at a rate, or Gamma ones of another `cv` (deviation / mean of the times between them).

    Raises UsageError for a `cv` that is none and for a pipeline that cannot be simulated.
    """
    if not SMALLEST_CV <= cv <= LARGEST_CV:
        raise UsageError(
            f"cv {cv:g}: the variation of the times between arrivals lies in {SMALLEST_CV:g}…{LARGEST_CV:g}"
        )
    slo = config.pipeline.slo
    requests = requests_for(slo.percentile) if rate_rps > 0 else 0
    return rehearsal_of(config, _arrivals_s(max(rate_rps, RAREST / slo.latency_s), cv, requests, seed), cv)


def rehearsal_of(config: Config, arrivals_s: FloatArray, cv: float = POISSON) -> Rehearsal:
    """Given arrivals, in order. Raises UsageError for a pipeline that cannot be simulated."""
    pipeline = config.pipeline
    return Rehearsal(
        slo=pipeline.slo,
        network=network(config),
        stations=Stations(config),
        visits=tuple(min(1.0, stage.visits) for stage in pipeline.stages),
        least_s=tuple(_least_s(pipeline, stage.name) for stage in pipeline.stages),
        arrivals_s=arrivals_s,
        cv=cv,
    )


def _arrivals_s(rate_rps: float, cv: float, requests: int, seed: int) -> FloatArray:
    """Γ(1/cv², cv²/λ) between arrivals: mean 1/λ, deviation cv/λ. Another rate gets the same ones, stretched."""
    gaps = np.random.default_rng(seed).gamma(1 / cv**2, cv**2, requests)
    return np.asarray(np.cumsum(gaps) / rate_rps)


def _least_s(pipeline: Pipeline, stage: str) -> float:
    """The shortest simulated service time of any of its servers and batches."""
    largest = max(m.batch for m in pipeline.measurements)
    servers: dict[tuple[str, str, int], list[Measurement]] = {}
    for m in pipeline.measurements:
        if m.stage == stage:
            servers.setdefault((m.variant, m.hardware, m.cores), []).append(m)
    return min(float(SERVICES["mean"](rows, largest).min()) for rows in servers.values())
