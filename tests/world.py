"""A world for story tests: virtual time, arrivals by rate, a cluster that does as it is told after a delay."""

from __future__ import annotations

from dataclasses import dataclass, field

from ipa.domain import Plan
from ipa.errors import Unavailable
from ipa.ports import Outcome


@dataclass
class World:
    """Cluster, Monitor and Clock in one. `rates` maps the second from which a rate holds to the rate."""

    rates: dict[float, int]
    plan: Plan | None = None
    apply_s: float = 0.0
    at_s: float = 0.0
    blind: tuple[float, float] = (0.0, 0.0)
    applied: list[tuple[float, Plan]] = field(default_factory=list)

    def now_s(self) -> float:
        return self.at_s

    def sleep_until(self, at_s: float) -> None:
        self.at_s = max(self.at_s, at_s)

    def arrivals(self, window_s: float) -> tuple[int, ...]:
        if self.blind[0] <= self.at_s < self.blind[1]:
            raise Unavailable("monitor: no answer")
        seconds = range(max(0, int(self.at_s - window_s)), int(self.at_s))
        return tuple(self._rate(second) for second in seconds)

    def _rate(self, second: int) -> int:
        return next(rate for start, rate in sorted(self.rates.items(), reverse=True) if start <= second)

    def live(self) -> Plan | None:
        return self.plan

    def ready(self) -> bool:
        return True

    def apply(self, plan: Plan) -> Outcome:
        self.at_s += self.apply_s
        self.plan = plan
        self.applied.append((self.at_s, plan))
        return Outcome(True, self.apply_s)
