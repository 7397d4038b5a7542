"""Certified plans: the best plan whose latency percentile holds in simulation, not by averages alone.

The least n = ceil(λ / h) replicas may be busy all the time, and then the wait grows without bound. So the candidates
are all plans with n, n + 1, … replicas of each option, in descending order of the objective, until one passes. A
policy finds the best plan of a set of them; where that fails, what is left of the set is parted (regions.py).

More replicas never make a plan slower; so much is taken for granted, and a plan that fails takes others with it:
- A stage that fails with the other stages as fast as any of their options could be takes all plans with this allocation
  or fewer replicas of it.
- A stage that fails with enough replicas of the others' options takes all such plans of these options.
- Nothing else is left out unseen, so that the plan returned is the best that passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import inf
from time import perf_counter

import numpy as np

from ipa.domain import Allocation, Config, Plan
from ipa.evaluation import choice_of, only_live
from ipa.options import TOLERANCE, Ints, Problem
from ipa.policy import Policy
from ipa.policy.regions import Key, Node, Region, Rows, other_options, other_replicas
from ipa.policy.rehearsal import Rehearsal, rehearsal
from ipa.policy.solution import TIME_LIMIT_S, Solution, relative_gap
from ipa.workload.variation import cv_of

LOWER = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2)
"""Utilisations at which a first plan that passes is looked for: what there is to fall back on at the time limit."""
MOST_TIMES = 64  # as many replicas as failed: where a stage is asked no further how many it takes


def certified(
    policy: Policy,
    rehearse: Callable[[Problem], Rehearsal],
    time_limit_s: float = TIME_LIMIT_S,
    live: Plan | None = None,
) -> Policy:
    """The policy, held to plans that pass the rehearsal of the problem; its solutions carry the certificate.

    `live`: a plan to begin with; if it keeps the limits and passes, the answer is never worse.

    Where the time limit ends the search, the best plan so far with the gap that is left. The limit is looked at between
    calls of `policy` and between plans: what is under way is finished.
    """

    def solve(problem: Problem) -> Solution:
        began_s = perf_counter()
        search = _Search(problem, policy, rehearse(problem), time_limit_s, began_s + time_limit_s)
        return search.run(live)

    return solve


Certify = Callable[[Problem, Sequence[int], Plan | None], Solution]
"""Of a problem, the arrivals seen and the live plan."""


def by_arrivals(config: Config, policy: Policy, time_limit_s: float) -> Certify:
    """As `certified`, on arrivals as uneven as those seen: requests in each of the last seconds, oldest first."""

    def solve(problem: Problem, arrivals: Sequence[int], live: Plan | None) -> Solution:
        cv = cv_of(arrivals)
        return certified(policy, lambda priced: rehearsal(config, priced.rate_rps, cv), time_limit_s, live)(problem)

    return solve


@dataclass(slots=True)
class _Search:
    problem: Problem
    policy: Policy
    rehearsal: Rehearsal
    time_limit_s: float
    deadline_s: float
    least: list[Ints] = field(init=False)
    """Per stage and option the fewest replicas that can pass, as far as is known."""
    heap: list[tuple[Key, int, Node]] = field(init=False, default_factory=list)
    alone: dict[tuple[int, Allocation], bool] = field(init=False, default_factory=dict)
    best: Node | None = field(init=False, default=None)
    open: float = field(init=False, default=-inf)
    """What regions without an answer reach at most."""
    pushed: int = field(init=False, default=0)
    tried: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.least = [stage.replicas.copy() for stage in self.problem.stages]

    def run(self, live: Plan | None) -> Solution:
        first = self.policy(self.problem)
        if first.evaluation is None:
            return first
        self._start(live)
        whole = [Rows(np.arange(len(stage)), stage.replicas) for stage in self.problem.stages]
        self._push(self._node(tuple(whole), whole, first))
        while self._undecided():
            self._step(heappop(self.heap)[2])
            if perf_counter() > self.deadline_s:
                break
        return self._answer()

    def _start(self, live: Plan | None) -> None:
        """Simulate the live plan, if the policy could choose it."""
        only = only_live(self.problem, live) if live else None
        solution = self.policy(only) if only else None
        if live and solution and solution.evaluation and solution.evaluation.plan == live:
            choice = choice_of(self.problem, live)
            assert choice is not None  # what can run has its options
            self._passes(Node((), solution, replace(solution.evaluation, choice=choice)))

    def _undecided(self) -> bool:
        return bool(self.heap) and (self.best is None or self.heap[0][0] < self.best.key)

    def _step(self, node: Node) -> None:
        if self._stale(node):
            self._push(self._solved(node.region, node.reach))
        elif self._passes(node):
            if node.solution.gap:
                self._part(node)
        elif self._raise(node):
            self._push(self._solved(node.region, node.reach))
        else:
            if self.best is None:
                self._fall_back()
            self._part(node)

    def _push(self, node: Node | None) -> None:
        if node is not None and (self.best is None or node.key < self.best.key):
            heappush(self.heap, (node.key, self.pushed, node))
            self.pushed += 1

    def _solved(self, region: Region, reach: float) -> Node | None:
        """A region, whose plans `reach` so much at most, with its best plan; None: nothing is left, or no time."""
        if perf_counter() > self.deadline_s:
            self.open = max(self.open, reach)
            return None
        left = [self._left(s, rows) for s, rows in enumerate(region)]
        if not all(len(rows.options) for rows in left):
            return None
        stages = [
            stage.taking(rows.options, rows.replicas) for stage, rows in zip(self.problem.stages, left, strict=True)
        ]
        return self._node(region, left, self.policy(replace(self.problem, stages=tuple(stages))))

    def _node(self, region: Region, left: Sequence[Rows], solution: Solution) -> Node | None:
        best = solution.evaluation
        if best is None:
            if solution.bound is not None:
                self.open = max(self.open, solution.bound)
            return None
        chosen = tuple(int(rows.options[k]) for rows, k in zip(left, best.choice, strict=True))
        return Node(region, solution, replace(best, choice=chosen))

    def _left(self, stage: int, rows: Rows) -> Rows:
        """Less what is known to fail."""
        least = self.least[stage][rows.options]
        if not rows.fixed:
            return Rows(rows.options, np.maximum(rows.replicas, least))
        kept = np.flatnonzero(rows.replicas >= least)
        return Rows(rows.options[kept], rows.replicas[kept], fixed=True)

    def _stale(self, node: Node) -> bool:
        """Whether something of its plan is known to fail by now."""
        pairs = zip(node.best.choice, node.best.plan.allocations, strict=True)
        return any(a.replicas < self.least[s][k] for s, (k, a) in enumerate(pairs))

    # --- one plan ------------------------------------------------------------------------------------------------

    def _passes(self, node: Node) -> bool:
        """Simulate its plan; the best that passed is kept."""
        self.tried += 1
        certificate = self.rehearsal.certificate(node.best.plan)
        if certificate is None:
            return False
        passed = replace(node, solution=replace(node.solution, certificate=certificate, gap=0.0))
        if self.best is None or passed.key < self.best.key:
            self.best = passed
        return True

    def _raise(self, node: Node) -> bool:
        """Whether a stage of its plan fails alone; then it gets as many replicas as it takes alone."""
        raised = False
        for s, (k, a) in enumerate(zip(node.best.choice, node.best.plan.allocations, strict=True)):
            least = self._least(self._hopeless_alone, node, s)
            if least > a.replicas:
                self.least[s][k], raised = least, True
        return raised

    def _least(self, hopeless: Callable[[Plan, int], bool], node: Node, s: int) -> int:
        """The fewest replicas with which a stage is not hopeless: doubled beyond those it has, then halved between."""
        plan = node.best.plan
        had = plan.allocations[s].replicas
        if not hopeless(plan, s):
            return had
        most = min(MOST_TIMES * had, self.problem.limits.replicas or MOST_TIMES * had)
        fails, more = had, 1
        while hopeless(_with(plan, s, had + more), s):
            fails, more = had + more, 2 * more
            if had + more > most:
                return fails + 1
        passes = had + more
        while passes - fails > 1:
            middle = (fails + passes) // 2
            fails, passes = (middle, passes) if hopeless(_with(plan, s, middle), s) else (fails, middle)
        return passes

    def _hopeless_alone(self, plan: Plan, s: int) -> bool:
        known = (s, plan.allocations[s])
        if known not in self.alone:
            self.alone[known] = self.rehearsal.hopeless_alone(plan, s)
        return self.alone[known]

    # --- the rest of a region ------------------------------------------------------------------------------------

    def _part(self, node: Node) -> None:
        """One combination of options is parted by replicas. Of several the plan's own becomes a region for itself."""
        if all(len(rows.options) == 1 for rows in node.region):
            for region in other_replicas(node):
                self._push(self._solved(region, node.reach))
            return
        for region in other_options(node):
            self._push(self._solved(region, node.reach))
        least = [self._least(self.rehearsal.hopeless, node, s) for s in range(len(node.region))]
        own = (Rows(np.array([k]), np.array([n])) for k, n in zip(node.best.choice, least, strict=True))
        self._push(self._solved(tuple(own), node.reach))

    def _fall_back(self) -> None:
        """A plan that passes, perhaps not the best: all replicas of the problem at lower and lower utilisation."""
        for utilisation in LOWER:
            region = tuple(
                Rows(np.arange(len(s)), np.ceil(s.replicas / utilisation - TOLERANCE).astype(np.int64))
                for s in self.problem.stages
            )
            node = self._solved(region, -inf)
            if node is None or self._passes(node):
                return

    # --- the answer ----------------------------------------------------------------------------------------------

    def _answer(self) -> Solution:
        reach = max(self.open, -self.heap[0][0][0] if self.heap else -inf)
        within = f"within {self.time_limit_s:g} s"
        if self.best is not None:
            if reach <= self.best.best.objective + 2 * TOLERANCE:
                return self._found(self.best, "proven best of the plans that pass the simulation", "optimal", -inf)
            return self._found(self.best, f"the best plan found {within} to pass the simulation", "time limit", reach)
        if reach > -inf:
            return self._none(f"no plan was found {within} that passes the simulation", "time limit")
        slo = self.rehearsal.slo
        return self._none(f"no plan keeps p{slo.percentile:g} within {slo.latency_s:g} s in simulation", "infeasible")

    def _found(self, passed: Node, reason: str, status: str, reach: float) -> Solution:
        best, certificate = passed.best, passed.solution.certificate
        assert certificate is not None
        bound = max(best.objective, reach)
        return Solution(
            best,
            f"{reason} ({_tried(self.tried)})",
            passed.solution.solver,
            status,
            relative_gap(best.objective, bound),
            bound=bound,
            certificate=replace(certificate, plans_tried=self.tried),
        )

    def _none(self, reason: str, status: str) -> Solution:
        certificate = replace(self.rehearsal.nothing(), plans_tried=self.tried)
        return Solution(None, f"{reason} ({_tried(self.tried)})", "simulation", status, None, certificate=certificate)


def _tried(plans: int) -> str:
    return "1 plan tried" if plans == 1 else f"{plans:,} plans tried"


def _with(plan: Plan, s: int, replicas: int) -> Plan:
    allocations = list(plan.allocations)
    allocations[s] = replace(allocations[s], replicas=replicas)
    return Plan(tuple(allocations))
