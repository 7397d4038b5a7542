"""What is simulated, as data: the stages of a pipeline and what serves each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ipa.diff import Step, targets
from ipa.domain import Allocation, Config, Pipeline, Plan, Stage
from ipa.errors import UsageError
from ipa.remaining import measured, remaining_s
from ipa.simulation.service import SERVICES
from ipa.workload.processes import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Servers:
    """Like replicas in one station.

    `service_s`: shape (levels, batch): column n − 1 holds the seconds that a batch of n takes. One row: always the
    same. More rows: the quantiles at an even grid of probabilities from 0 to 1.
    """

    service_s: FloatArray
    accuracy: float
    replicas: int

    @property
    def kind(self) -> tuple[bytes, tuple[int, ...], float]:
        """What a replica is: those of equal kind are interchangeable, so they survive a change."""
        return self.service_s.tobytes(), self.service_s.shape, self.accuracy


@dataclass(frozen=True, slots=True)
class Station:
    """One stage as it serves now. Of equally loaded replicas the first in `servers` takes the batch.

    `wait_s`: how long a batch may wait to fill, 0 is greedy. `remaining_s`: mean batch-1 latency of this and the later
    stages.
    """

    servers: tuple[Servers, ...]
    batch: int
    wait_s: float
    remaining_s: float


@dataclass(frozen=True, slots=True)
class Network:
    """What does not change while the pipeline runs.

    `after`: for each stage the indices of those it waits for, all smaller; () is a source. `probability`: of being
    taken by a request that ran at least one of those. `in_flight`: batches a replica holds; it works on one after the
    other. `coins`: per stage whose coin it looks at and from where on: it is taken if from ≤ coin < from + probability,
    so branches that share a coin can exclude each other; () is its own coin from 0 for all.
    """

    after: tuple[tuple[int, ...], ...]
    probability: tuple[float, ...]
    drop_after_s: float
    queue_limit: int
    in_flight: int
    coins: tuple[tuple[int, float], ...] = ()


def network(config: Config) -> Network:
    """The graph of `config` and its router. Raises UsageError for a stage that is visited more often than those before
    it: the router sends nothing twice."""
    stages, router = config.pipeline.stages, config.router
    index = {stage.name: at for at, stage in enumerate(stages)}
    probability = tuple(_probability(config.pipeline, stage) for stage in stages)
    return Network(
        after=tuple(tuple(index[name] for name in stage.after) for stage in stages),
        probability=probability,
        drop_after_s=config.pipeline.slo.drop_after_s,
        queue_limit=router.queue_limit,
        in_flight=router.in_flight,
        coins=_coins(stages, probability),
    )


def _coins(stages: Sequence[Stage], probability: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Branches that test one output for different values exclude each other: they share the first one's coin.

    Where their shares add up to more than 1 the visits contradict that, and each has its own.
    """
    coins = [(at, 0.0) for at in range(len(stages))]
    tested: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for at, stage in enumerate(stages):
        if stage.when is not None:
            tested.setdefault((stage.after, stage.when.output), []).append(at)
    for branches in tested.values():
        values = {stages[at].when.equals for at in branches}  # type: ignore[union-attr]
        if len(values) == len(branches) and sum(probability[at] for at in branches) <= 1 + 1e-9:
            shares = [0.0, *accumulate(probability[at] for at in branches)]
            for at, start in zip(branches, shares, strict=False):
                coins[at] = (branches[0], start)
    return tuple(coins)


def _probability(pipeline: Pipeline, stage: Stage) -> float:
    """visits / visits of the parent; a join counts the parent that is visited most."""
    parents = [pipeline.stage(name).visits for name in stage.after] or [1.0]
    most = min(1.0, sum(parents))
    if stage.visits > most + 1e-9:
        raise UsageError(
            f"stage {stage.name!r}: {stage.visits:g} visits where what comes before has {most:g}: "
            "a request that fans out cannot be simulated"
        )
    return min(1.0, stage.visits / max(parents)) if max(parents) > 0 else 0.0


@dataclass(slots=True)
class Stations:
    """Plans and steps of one pipeline → stations. A server's service times are made once.

    `service`: a name in SERVICES.
    """

    config: Config
    service: str = "mean"
    _tables: dict[tuple[str, str, str, int], FloatArray] = field(init=False, default_factory=dict)

    def of_plan(self, plan: Plan) -> tuple[Station, ...]:
        return self.of(targets(plan))

    def of(self, steps: Mapping[str, Step]) -> tuple[Station, ...]:
        """Every stage of the pipeline as its step says, in order. Raises UsageError for a server nobody measured."""
        left_s = remaining_s(self.config.pipeline, {stage: step.servers for stage, step in steps.items()})
        router = self.config.router
        wait_s = router.batch_wait_s if router.batching == "full" else 0.0
        return tuple(
            Station(tuple(self._servers(a) for a in step.servers), step.batch, wait_s, left_s[stage.name])
            for stage in self.config.pipeline.stages
            for step in (steps[stage.name],)
        )

    def _servers(self, a: Allocation) -> Servers:
        accuracy = self.config.pipeline.stage(a.stage).variant(a.variant).accuracy
        return Servers(self._table(a), accuracy, a.replicas)

    def _table(self, a: Allocation) -> FloatArray:
        """As wide as the largest batch of the pipeline, so that a replica is the same whatever batch it gets."""
        key = (a.stage, *a.server)
        if key not in self._tables:
            rows = measured(self.config.pipeline.measurements, a)
            if not rows:
                raise UsageError(f"{a.stage}/{a.variant} on {a.hardware} with {a.cores} cores: nobody measured it")
            largest = max(a.batch, *(m.batch for m in self.config.pipeline.measurements))
            self._tables[key] = SERVICES[self.service](rows, largest)
        return self._tables[key]
