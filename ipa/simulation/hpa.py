"""Kubernetes' Horizontal Pod Autoscaler with its default behaviour, one stage at a time.

    ratio   = utilisation / target,  utilisation = busy replicas / ready replicas, over the last 15 s
    desired = ceil(ready · ratio), and as it is where |1 − ratio| ≤ 0.1

A desired number below the current one gives way to the highest of the last 300 s, the number it started with among
them; one above it is not held. In 15 s it adds at most max(4, as many as there are); it may remove all but one.

Sources: kubernetes.io, "Horizontal Pod Autoscaling", sections "Algorithm details" and "Default Behavior";
kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go and replica_calculator.go (GetResourceReplicas).

- Target: 0.8, what autoscaling/v2 takes where no metric is named. A replica at work is taken to use all of the CPU it
  requested and no more, so the share of busy replicas stands for the CPU utilisation. It is never above 1, so under
  overload a stage grows by a quarter in 15 s, and how long its queue is does not matter: that is the rule's nature.
- Replicas not ready: where fewer are ready than were asked for (they load, or nothing has room for them) and the ratio
  is above 1, they count as idle: the ratio is taken over all that were asked for, and a ratio that is then within the
  tolerance or below 1 changes nothing. Every ready replica has a sample, so metrics are never missing.
- The samples are exact and fresh. On a cluster the metrics server adds a delay of its own; leaving it out favours HPA.
- The policies look back over 15 s and the rule runs every 15 s, so no earlier change is ever inside their period.
- An object without a `behavior` takes an older path in the controller, up to max(4, 2 × current): it differs from the
  documented default only below 4 replicas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from ipa.simulation.load import Load

SYNC_S = 15.0
TARGET = 0.8
TOLERANCE = 0.1
STABILISATION_S = 300.0
MOST_ADDED = 4
ROUNDING = 1e-9  # the original counts in thousandths: 0.88/0.8 is within its tolerance, 3·(0.9/0.3) is 9


@dataclass(frozen=True, slots=True)
class Recommendation:
    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Hpa:
    """One stage's autoscaler: `wanted` replicas, and what it remembers. `most` is the object's maxReplicas."""

    wanted: int
    synced_s: float
    past: tuple[Recommendation, ...]
    samples: tuple[Load, ...] = ()
    target: float = TARGET
    most: int | None = None

    def after(self, load: Load) -> Hpa:
        """The autoscaler once it has seen one more sample; what it wants changes every 15 s at most."""
        seen = replace(self, samples=(*self.samples, load))
        return seen if load.at_s - self.synced_s < SYNC_S - ROUNDING else seen._synced(load.at_s)

    def _synced(self, at_s: float) -> Hpa:
        utilisation = sum(s.busy for s in self.samples) / max(1, sum(s.replicas for s in self.samples))
        now = Recommendation(at_s, recommended(self.wanted, self.samples[-1].replicas, utilisation, self.target))
        past = (*(r for r in self.past if r.at_s > at_s - STABILISATION_S), now)
        stable = now.replicas if now.replicas >= self.wanted else max(r.replicas for r in past)
        return replace(self, wanted=self._bounded(stable), synced_s=at_s, past=past, samples=())

    def _bounded(self, replicas: int) -> int:
        most = self.wanted + max(MOST_ADDED, self.wanted)
        return max(1, min(replicas, most if self.most is None else min(most, self.most)))


def start(at_s: float, replicas: int, most: int | None = None, target: float = TARGET) -> Hpa:
    """An autoscaler for a stage that runs `replicas`; that number is its first recommendation, as in the original."""
    return Hpa(replicas, at_s, (Recommendation(at_s, replicas),), target=target, most=most)


def recommended(current: int, ready: int, utilisation: float, target: float = TARGET) -> int:
    """Replicas at which `utilisation`, a share of the ready ones, becomes the target. `current` were asked for."""
    ratio = utilisation / target
    counted = current if ratio > 1 and ready < current else ready
    ratio *= ready / max(1, counted)
    if abs(1 - ratio) <= TOLERANCE + ROUNDING or (counted > ready and ratio < 1):
        return current
    return ceil(ratio * counted - ROUNDING)
