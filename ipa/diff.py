"""Compare: plan against plan → what changes, and the steps that get there make-before-break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from ipa.domain import Allocation, Change, Plan

Server = tuple[str, str, int]  # variant, hardware, cores


@dataclass(frozen=True, slots=True)
class Step:
    """After it the stage is served by exactly `servers` in batches of `batch`: start what is missing and wait until
    it is warm, route to all of it, drain and stop the rest. `dip`: the stage has less capacity than before and after.
    """

    stage: str
    batch: int
    servers: tuple[Allocation, ...]
    dip: bool = False


def changes(live: Plan | None, wanted: Plan) -> tuple[Change, ...]:
    """The stages whose allocation differs, in the order of the wanted plan; what only `live` has comes last."""
    before = {a.stage: a for a in live.allocations} if live else {}
    after = {a.stage: a for a in wanted.allocations}
    return tuple(
        Change(stage, before.get(stage), after.get(stage))
        for stage in dict.fromkeys([*after, *before])
        if before.get(stage) != after.get(stage)
    )


def steps(live: Plan | None, wanted: Plan, cores_limit: float | None, surge_cores: float | None) -> tuple[Step, ...]:
    """The way from `live` to `wanted` on which the cores running never exceed cores_limit + surge_cores.

    Growth comes first, wherever there is headroom; then what is surplus goes. Where neither is possible one old
    replica makes room for its successor, a dip. surge_cores defaults to the largest replica of `wanted`. `live` may
    have several allocations a stage, as a change that was broken off leaves it; the first says the batch.
    """
    if surge_cores is None:
        surge_cores = max((a.cores for a in wanted.allocations), default=0)
    way = _Way(live, wanted, inf if cores_limit is None else cores_limit + surge_cores)
    found: list[Step] = []
    while (step := way.next()) is not None:
        found.append(step)
    return tuple(found)


def targets(plan: Plan) -> dict[str, Step]:
    """What each stage runs under `plan`, in the form of the last step towards it."""
    return {a.stage: Step(a.stage, a.batch, (a,)) for a in plan.allocations}


def dips(way: Sequence[Step]) -> list[str]:
    """In words, what has less capacity on the way; once a stage."""
    return list(dict.fromkeys(f"{step.stage}: less capacity during the change" for step in way if step.dip))


class _Way:
    """The replicas of each stage as they change from step to step."""

    def __init__(self, live: Plan | None, wanted: Plan, most_cores: float) -> None:
        self.wanted = {a.stage: a for a in wanted.allocations}
        before = live.allocations if live else ()
        self.batch = {a.stage: a.batch for a in reversed(before)}
        self.running: dict[str, Counter[Server]] = {stage: Counter() for stage in self.wanted}
        for a in before:
            if a.stage in self.running:
                self.running[a.stage][a.server] += a.replicas
        self.before = {stage: servers.total() for stage, servers in self.running.items()}
        self.most_cores = most_cores

    def next(self) -> Step | None:
        return self._grow() or self._shrink() or self._rebatch() or self._make_room()

    def _missing(self, stage: str) -> int:
        return max(0, self.wanted[stage].replicas - self.running[stage][self.wanted[stage].server])

    def _surplus(self, stage: str) -> Counter[Server]:
        return self.running[stage] - Counter({self.wanted[stage].server: self.wanted[stage].replicas})

    def _grow(self) -> Step | None:
        headroom = self.most_cores - sum(s[2] * n for r in self.running.values() for s, n in r.items())
        for stage, a in self.wanted.items():
            count = min(self._missing(stage), headroom // a.cores)
            if count >= 1:
                self.running[stage][a.server] += int(count)
                return self._step(stage)
        return None

    def _shrink(self) -> Step | None:
        """Stop surplus replicas that are replaced already: all once nothing is missing, else in proportion."""
        for stage, a in self.wanted.items():
            surplus = self._surplus(stage)
            if not surplus:
                continue
            if not self._missing(stage):
                self.running[stage] -= surplus
                return self._step(stage)
            old = self.before[stage]
            new_share = (a.replicas - self._missing(stage)) / a.replicas
            replaced = int(surplus.total() - old * (1 - new_share) + 1e-9)
            if replaced >= 1:
                self._stop(stage, replaced)
                return self._step(stage)
        return None

    def _rebatch(self) -> Step | None:
        for stage, a in self.wanted.items():
            if self.batch.get(stage) != a.batch and not self._missing(stage):
                return self._step(stage)
        return None

    def _make_room(self) -> Step | None:
        """No headroom and nothing replaced yet: stop one old replica, or exceed the limit where there is none."""
        waiting = [stage for stage in self.wanted if self._missing(stage)]
        if not waiting:
            return None
        stage = max(waiting, key=lambda s: self._surplus(s).total())
        if self._surplus(stage):
            self._stop(stage, 1)
            return self._step(stage, dip=True)
        self.running[stage][self.wanted[stage].server] += 1
        return self._step(stage)

    def _stop(self, stage: str, count: int) -> None:
        server = next(iter(self._surplus(stage)))
        self.running[stage] -= Counter({server: count})

    def _step(self, stage: str, *, dip: bool = False) -> Step:
        """Servers of the wanted kind carry the wanted batch as soon as one of them is routed."""
        a = self.wanted[stage]
        if self.running[stage][a.server]:
            self.batch[stage] = a.batch
        batch = self.batch.get(stage, a.batch)
        servers = tuple(
            Allocation(stage, variant, hardware, cores, batch, count)
            for (variant, hardware, cores), count in self.running[stage].items()
            if count > 0
        )
        return Step(stage, batch, servers, dip)
