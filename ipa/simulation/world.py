"""The loop's ports on virtual time: a cluster, a monitor and a clock around the engine.

As the supervisor does it, a change is carried out step by step: what is missing starts and loads for its variant's
load_s while the rest serves on, then the stage is switched, then what left finishes its batch and is stopped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, floor, inf, isfinite

import numpy as np

from ipa.diff import Step, dips, steps, targets
from ipa.domain import Allocation, Config, Hardware, Plan
from ipa.ports import Outcome
from ipa.simulation.engine import Engine, Finished
from ipa.simulation.load import Load
from ipa.simulation.stations import Stations, network
from ipa.workload.counts import Counts
from ipa.workload.envelope import ticks_of
from ipa.workload.processes import FloatArray
from ipa.workload.trace import counts_per_second

Running = Counter[tuple[str, tuple[str, str, int]]]  # (stage, server) → replicas that exist, loading ones included


@dataclass(frozen=True, slots=True)
class Spending:
    """What exists from `at_s` on: cores, and money per hour."""

    at_s: float
    cores: int
    cost_per_hour: float


@dataclass(slots=True)
class World:
    """Cluster, Monitor, Traffic and Clock. Replicas of `plan` are warm at 0; of `arrivals_s` only the past is known.

    `watching`: load samples of every second are kept for who asks for them. `service` is a name in SERVICES.
    """

    config: Config
    plan: Plan
    arrivals_s: FloatArray
    duration_s: float
    seed: int = 0
    service: str = "mean"
    watching: bool = False
    finished: list[Finished] = field(init=False, default_factory=list)
    spending: list[Spending] = field(init=False, default_factory=list)
    _counts: Counts = field(init=False)
    _stations: Stations = field(init=False)
    _steps: dict[str, Step] = field(init=False)
    _running: Running = field(init=False)
    _engine: Engine = field(init=False)
    _samples: list[tuple[Load, ...]] = field(init=False, default_factory=list)
    _sent: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._counts = counts_per_second(self.arrivals_s, self.duration_s)
        self._stations = Stations(self.config, self.service)
        self._steps = targets(self.plan)
        self._running = Counter({(a.stage, a.server): a.replicas for a in self.plan.allocations})
        self._engine = Engine(network(self.config), self._stations.of(self._steps), self.seed)
        self._spend()

    # --- Clock --------------------------------------------------------------------------------------------------

    def now_s(self) -> float:
        return self._engine.now_s

    def sleep_until(self, at_s: float) -> None:
        while self.watching and isfinite(at_s) and (second_s := floor(self.now_s()) + 1) <= at_s:
            self._advance(float(second_s))
            self._sample()
        if at_s > self.now_s():
            self._advance(at_s)

    def drain(self) -> None:
        """Go on until every request has ended."""
        self._advance(inf)

    # --- Monitor ------------------------------------------------------------------------------------------------

    def arrivals(self, window_s: float) -> tuple[int, ...]:
        now = int(self.now_s())
        return tuple(self._counts[max(0, now - max(1, round(window_s))) : now].tolist())

    def ticks(self, window_s: float) -> Counts:
        return ticks_of(self.arrivals_s, max(0.0, self.now_s() - window_s), self.now_s())

    def coming(self, window_s: float) -> tuple[int, ...]:
        """What an oracle knows: the arrivals in the seconds ahead."""
        now = int(self.now_s())
        return tuple(self._counts[now : now + max(1, ceil(window_s))].tolist())

    def samples(self) -> tuple[tuple[Load, ...], ...]:
        """For each stage its load in every second since the last call; needs `watching`."""
        taken, self._samples = self._samples, []
        stages = len(self.config.pipeline.stages)
        return tuple(tuple(sample[stage] for sample in taken) for stage in range(stages))

    # --- Cluster ------------------------------------------------------------------------------------------------

    def live(self) -> Plan | None:
        return self.plan

    def ready(self) -> bool:
        return True

    def apply(self, plan: Plan) -> Outcome:
        began_s = self.now_s()
        limit, surge = self.config.pipeline.limits.cores, self.config.control.surge_cores
        way = steps(self.plan, plan, limit, surge)
        for step in way:
            self._carry_out(step)
        self.plan = plan
        return Outcome(True, self.now_s() - began_s, "; ".join(dips(way)))

    def _carry_out(self, step: Step) -> None:
        wanted = Counter({(step.stage, a.server): a.replicas for a in step.servers})
        running = Counter({key: n for key, n in self._running.items() if key[0] == step.stage})
        missing = wanted - running
        if missing:
            self._running += missing
            self._spend()
            self.sleep_until(self.now_s() + max(self._load_s(a) for a in step.servers if missing[step.stage, a.server]))
        self._steps[step.stage] = step
        # All stages: a variant changes how much work is left before the stages ahead of it, too.
        idle_s = self._engine.change(dict(enumerate(self._stations.of(self._steps))))
        if surplus := running - wanted:
            self.sleep_until(idle_s)
            self._running -= surplus
            self._spend()

    def _load_s(self, a: Allocation) -> float:
        return self.config.pipeline.stage(a.stage).variant(a.variant).load_s or 0.0

    # --- bookkeeping --------------------------------------------------------------------------------------------

    def _advance(self, until_s: float) -> None:
        end = int(np.searchsorted(self.arrivals_s, until_s, side="left"))
        self.finished.append(self._engine.advance(self.arrivals_s[self._sent : end], until_s))
        self._sent = end

    def _sample(self) -> None:
        now_s, stages = self.now_s(), self.config.pipeline.stages
        replicas = [sum(a.replicas for a in self._steps[stage.name].servers) for stage in stages]
        seen = zip(replicas, self._engine.occupancy(), strict=True)
        self._samples.append(tuple(Load(now_s, n, each.busy, each.requests) for n, each in seen))

    def _spend(self) -> None:
        cores = sum(server[2] * n for (_, server), n in self._running.items())
        cost = sum(n * self._price_per_hour(server) for (_, server), n in self._running.items())
        self.spending.append(Spending(self.now_s(), cores, cost))

    def _price_per_hour(self, server: tuple[str, str, int]) -> float:
        _, hardware, cores = server
        price = self.config.pipeline.hardware.get(hardware, Hardware(hardware))
        return price.price_per_hour + cores * price.price_per_core_hour
