"""A rule over time: what it wants at once, what only after a while, and when the plan itself no longer fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from ipa.domain import Plan
from ipa.tuner.planned import Planned
from ipa.workload.counts import Counts
from ipa.workload.envelope import LONGEST_S, TICK_S, Envelope, envelope

Rule = Callable[[Planned, tuple[int, ...], Envelope, Counts], tuple[int, ...]]
"""Of what was planned, the replicas that run, the envelope and the arrivals per tick of the last minute: the replicas
wanted."""

STABLE_S = 15.0
STARTS = 3.0  # times a start-up: in the paper 15 s for starts of 5 s
AWAY_S = 60.0  # the widest window: by then nothing in the envelope is older than the change


@dataclass(frozen=True, slots=True)
class Wish:
    """The replicas wanted, a number a stage, and why. `replan`: they stay away from the planned ones."""

    replicas: tuple[int, ...]
    reason: str
    replan: bool = False


@dataclass(frozen=True, slots=True)
class Tuner:
    """`planned` is None until there is a plan to tune. `start_s`: how long replicas take to start, as far as known.

    `confirmed_s`: when the optimiser last said that the plan is what it wants. While that is not long ago no replica of
    the plan is taken away: the optimiser would bring it back.
    """

    rule: Rule
    start_s: float | None = None
    planned: Planned | None = None
    changed_s: float = -inf
    confirmed_s: float = -inf
    away_since_s: float | None = None

    @property
    def stable_s(self) -> float:
        """How long nothing must have changed before replicas go."""
        return STABLE_S if not self.start_s else STARTS * self.start_s

    def on(self, planned: Planned | None, now_s: float) -> Tuner:
        """A plan was made: at its rate or below it goes on for what it was made for."""
        before = self.planned
        if planned is None:
            return self
        if before is not None and before.plan == planned.plan and planned.rate_rps <= before.rate_rps:
            return replace(self, confirmed_s=now_s, away_since_s=None)
        return replace(self, planned=planned, changed_s=now_s, confirmed_s=now_s, away_since_s=None)

    def changed(self, now_s: float, start_s: float | None) -> Tuner:
        """The tuner's own change is done; `start_s` is what starting took, None if nothing had to start."""
        return replace(self, changed_s=now_s, start_s=self.start_s if start_s is None else start_s)

    def step(self, now_s: float, live: Plan, ticks: Counts) -> tuple[Wish, Tuner]:
        """What the arrivals of the last minute call for. `live` holds the planned servers, else nothing is done."""
        running = tuple(a.replicas for a in live.allocations)
        planned = self.planned
        if planned is None or not same_servers(live, planned.plan):
            return Wish(running, "the live plan is not one to tune"), replace(self, away_since_s=None)
        wanted = self.rule(planned, running, envelope(ticks, planned.widths), ticks)
        more = tuple(max(pair) for pair in zip(wanted, running, strict=True))
        if more != running:
            return self._told(Wish(more, "the envelope exceeds what was planned"), now_s)
        if now_s - self.confirmed_s < AWAY_S:
            least = (min(n, k) for n, k in zip(running, planned.replicas, strict=True))
            wanted = tuple(max(pair) for pair in zip(wanted, least, strict=True))
        seen_all = len(ticks) >= round(LONGEST_S / TICK_S)
        if wanted != running and seen_all and now_s - self.changed_s >= self.stable_s:
            return self._told(Wish(wanted, f"fewer replicas are enough for {self.stable_s:g} s"), now_s)
        return self._told(Wish(running, "as it is"), now_s)

    def _told(self, wish: Wish, now_s: float) -> tuple[Wish, Tuner]:
        assert self.planned is not None
        if wish.replicas == self.planned.replicas:
            return wish, replace(self, away_since_s=None)
        since_s = now_s if self.away_since_s is None else self.away_since_s
        if now_s - since_s < AWAY_S:
            return wish, replace(self, away_since_s=since_s)
        return replace(wish, replan=True), replace(self, away_since_s=now_s)


def same_servers(one: Plan, other: Plan) -> bool:
    """Whether two plans differ in replicas at most."""
    pairs = zip(one.allocations, other.allocations, strict=True)
    return all((a.server, a.batch) == (b.server, b.batch) for a, b in pairs)
