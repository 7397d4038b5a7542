"""InferLine's planner (arXiv 1812.01776): a greedy search for the cheapest plan whose percentile holds in simulation.

Initialise: every stage at its smallest batch, one replica, its fastest server; then a replica to the stage with the
least k·µ/s until the plan is feasible. Minimise: over all stages and actions, take the cheapest feasible result; stop
where none is cheaper. IncreaseBatch keeps the cost: it is taken where nothing cheaper is feasible, and pays by making a
later RemoveReplica feasible. No single action lowers the cost of what is found: a local optimum.

- Equal costs: the lower percentile, then the first stage, then the first action. Nothing is left to chance.
- Doubling a batch at equal cost runs on to the largest one, so a last pass shrinks every batch while the plan passes.
- "Hardware" is a kind of server here, (hardware, cores); the next cheaper one is the dearest of those that cost less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter

import numpy as np

from ipa.domain import Allocation, Plan
from ipa.evaluation import evaluate
from ipa.options import Problem, StageOptions
from ipa.policy.estimator import Judge
from ipa.policy.simulated import server_of
from ipa.policy.solution import Action

MOST_TIMES = 64  # replicas of the least that carry the rate: with as many a stage hardly ever waits

State = tuple[tuple[int, int], ...]
"""Per stage the option and its replicas."""

Move = Callable[[State, int], State | None]
"""What an action makes of a stage; None where that is not legal or not feasible."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One stage: from each option to the next batch, the batch before, and the first batch of the next cheaper server.

    `first`: the smallest batch of the fastest server. `price`: of one replica, by option.
    """

    first: int
    larger: tuple[int | None, ...]
    smaller: tuple[int | None, ...]
    cheaper: tuple[int | None, ...]
    price: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """`state` is None where there is no feasible plan, for the `reason`; `finished`: not cut short by the deadline."""

    state: State | None
    reason: str
    actions: tuple[Action, ...] = ()
    finished: bool = True


@dataclass(slots=True)
class Greedy:
    """`problem` as policy.simulated has it; `visits` per stage; no action is begun after `deadline_s`."""

    problem: Problem
    visits: Sequence[float]
    judge: Judge
    deadline_s: float
    ladders: tuple[Ladder, ...] = field(init=False)
    actions: list[Action] = field(init=False, default_factory=list)
    finished: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        unit = self.problem.objective.unit
        self.ladders = tuple(_ladder(stage, unit) for stage in self.problem.stages)

    def run(self) -> Found:
        start: State = tuple((ladder.first, 1) for ladder in self.ladders)
        slowest = evaluate(self.problem, [k for k, _ in start])
        if "latency" in slowest.broken:
            rule = f"alone its fastest servers take {slowest.latency_s:.4g} s of {self.problem.slo_s:g} s"
            return Found(None, f"no feasible plan: {rule}")
        state = self._initialised(start)
        if state is None:
            return Found(None, "no feasible plan: no number of the fastest servers keeps the percentile on this sample")
        for s, (k, n) in enumerate(state):
            self.actions.append(Action("Initialise", *self._step(s, None, (k, n)), self.cost(state)))
        everywhere = range(len(state))
        state = self._minimised(state, everywhere, {**self._resize, "DowngradeHW": self._downgraded}, self.actions)
        state = self._shrunk(state)
        return Found(state, "no single action is cheaper", tuple(self.actions), self.finished)

    def cost(self, state: State) -> float:
        return round(sum(n * ladder.price[k] for ladder, (k, n) in zip(self.ladders, state, strict=True)), 9)

    # --- feasible or not ----------------------------------------------------------------------------------------

    def percentile_s(self, state: State) -> float | None:
        """None where the plan is not feasible; k·µ < λ·s is known without a simulation."""
        if any(n < stage.replicas[k] for stage, (k, n) in zip(self.problem.stages, state, strict=True)):
            return None
        return self.judge(self.plan(state))

    def plan(self, state: State) -> Plan:
        return Plan(tuple(self._allocation(s, *pick) for s, pick in enumerate(state)))

    def _allocation(self, s: int, option: int, replicas: int) -> Allocation:
        a = self.problem.stages[s].allocation(option)
        return Allocation(a.stage, a.variant, a.hardware, a.cores, a.batch, replicas)

    def _most(self, s: int, option: int) -> int:
        limit = self.problem.limits.replicas
        least = int(self.problem.stages[s].replicas[option])
        return MOST_TIMES * least if limit is None else min(limit, MOST_TIMES * least)

    # --- initialise ---------------------------------------------------------------------------------------------

    def _initialised(self, start: State) -> State | None:
        state = start
        while self.percentile_s(state) is None:
            growing = [s for s, (k, n) in enumerate(state) if n < self._most(s, k)]
            if not growing:
                return None
            s = min(growing, key=lambda s: self._carried_rps(state, s))
            state = _with(state, s, (state[s][0], state[s][1] + 1))
        return state

    def _carried_rps(self, state: State, s: int) -> float:
        """k·µ/s: the pipeline rate that a stage carries."""
        k, n = state[s]
        return n * float(self.problem.stages[s].throughput_rps[k]) / self.visits[s]

    # --- minimise -----------------------------------------------------------------------------------------------

    @property
    def _resize(self) -> dict[str, Move]:
        return {"IncreaseBatch": self._batch_increased, "RemoveReplica": self._replica_removed}

    def _minimised(self, state: State, stages: Sequence[int], moves: dict[str, Move], taken: list[Action]) -> State:
        while True:
            if perf_counter() > self.deadline_s:
                self.finished = False
                return state
            best: tuple[tuple[float, float], str, int, State] | None = None
            for s in stages:
                for name, move in moves.items():
                    after = move(state, s)
                    value_s = None if after is None else self.percentile_s(after)
                    if after is None or value_s is None:
                        continue
                    key = (self.cost(after), value_s)
                    if best is None or key < best[0]:
                        best = (key, name, s, after)
            if best is None:
                return state
            _, name, s, after = best
            taken.append(Action(name, *self._step(s, state[s], after[s]), self.cost(after)))
            state = after

    def _batch_increased(self, state: State, s: int) -> State | None:
        k, n = state[s]
        larger = self.ladders[s].larger[k]
        return None if larger is None else self._feasible(_with(state, s, (larger, n)))

    def _replica_removed(self, state: State, s: int) -> State | None:
        k, n = state[s]
        return None if n == 1 else self._feasible(_with(state, s, (k, n - 1)))

    def _downgraded(self, state: State, s: int) -> State | None:
        """The stage alone on the next cheaper server, initialised and minimised there; only if that is cheaper."""
        k = self.ladders[s].cheaper[state[s][0]]
        if k is None:
            return None
        alone = self._added(_with(state, s, (k, 1)), s)
        if alone is None:
            return None
        least = self._minimised(alone, (s,), self._resize, [])
        return least if self.cost(least) < self.cost(state) else None

    def _added(self, state: State, s: int) -> State | None:
        """With as many replicas of one stage as it takes; None where no number of them is enough."""
        k, _ = state[s]
        if "latency" in evaluate(self.problem, [option for option, _ in state]).broken:
            return None
        passes, most = int(self.problem.stages[s].replicas[k]), self._most(s, k)
        fails, more = passes - 1, 1
        while passes <= most and self._feasible(_with(state, s, (k, passes))) is None:
            fails, passes, more = passes, passes + more, 2 * more
        if passes > most:
            return None
        while passes - fails > 1:
            middle = (fails + passes) // 2
            fails, passes = (fails, middle) if self._feasible(_with(state, s, (k, middle))) else (middle, passes)
        return _with(state, s, (k, passes))

    def _feasible(self, state: State) -> State | None:
        return None if self.percentile_s(state) is None else state

    # --- the last pass ------------------------------------------------------------------------------------------

    def _shrunk(self, state: State) -> State:
        """Smaller batches, stage by stage, as long as the plan passes: they cost the same."""
        while True:
            before = state
            for s in range(len(state)):
                while (smaller := self.ladders[s].smaller[state[s][0]]) is not None:
                    after = self._feasible(_with(state, s, (smaller, state[s][1])))
                    if after is None:
                        break
                    self.actions.append(Action("ShrinkBatch", *self._step(s, state[s], after[s]), self.cost(after)))
                    state = after
            if state == before:
                return state

    def _step(
        self, s: int, before: tuple[int, int] | None, after: tuple[int, int]
    ) -> tuple[str, Allocation | None, Allocation]:
        was = None if before is None else self._allocation(s, *before)
        return self.problem.stages[s].stage, was, self._allocation(s, *after)


def _with(state: State, s: int, pick: tuple[int, int]) -> State:
    return (*state[:s], pick, *state[s + 1 :])


def _ladder(stage: StageOptions, unit: str) -> Ladder:
    servers: dict[tuple[int, int, int], list[int]] = {}
    for k in np.argsort(stage.batch, kind="stable").tolist():
        servers.setdefault(server_of(stage, k), []).append(k)
    cost = stage.cost_cores if unit == "cores" else stage.cost_per_hour
    price = (cost / stage.replicas).tolist()
    larger: list[int | None] = [None] * len(stage)
    smaller: list[int | None] = [None] * len(stage)
    cheaper: list[int | None] = [None] * len(stage)
    firsts = [options[0] for options in servers.values()]
    for options in servers.values():
        below = [k for k in firsts if price[k] < price[options[0]]]
        next_one = min(below, key=lambda k: (-price[k], stage.latency_s[k], k), default=None)
        for before, after in pairwise(options):
            larger[before], smaller[after] = after, before
        for k in options:
            cheaper[k] = next_one
    first = min(firsts, key=lambda k: (stage.latency_s[k], price[k], k))
    return Ladder(first, tuple(larger), tuple(smaller), tuple(cheaper), tuple(price))
