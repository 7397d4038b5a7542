"""Knative's pod autoscaler (KPA) with its default configuration, one stage at a time.

    stable  = ceil(mean concurrency of the last 60 s / target),  panic = ceil(mean concurrency of the last 6 s / target)
    wanted  = stable, within floor(ready / 2) … ceil(1000 · ready)

It decides every 2 s. Once panic / ready reaches 2 it panics: it wants the larger of stable and panic, and never fewer
than it wanted since the panic began. The panic is over when that threshold was not reached for more than 60 s. Where
more than one replica runs it starts in panic: without a history it would scale down.

Sources: knative/serving, pkg/autoscaler/: scaling/autoscaler.go (newAutoscaler, Scale), scaling/multiscaler.go (the
tick), config/config.go (defaultConfig), aggregation/bucketing.go (a window that is not full yet is averaged over what
there is); pkg/reconciler/autoscaling/resources/target.go (the target).

- Target: 70 % (container-concurrency-target-percentage) of batch × in_flight, the requests that a replica takes at
  once. That is what a revision's containerConcurrency says, and it is a hard limit there as it is here. With a lower
  one a replica could not fill its batches; Knative's default for no limit, 100, would hide a long queue.
- Requests that wait in the stage's queue count, as those in Knative's activator and queue proxy do.
- No scale to zero: at least one replica, as with enable-scale-to-zero off. scale-down-delay is 0 by default, activation
  scale and burst capacity only matter to a revision at zero or to the request path: they are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

from ipa.simulation.load import Load

TICK_S = 2.0
STABLE_S = 60.0
PANIC_S = 6.0
PANIC_THRESHOLD = 2.0
TARGET_SHARE = 0.7
MOST_UP = 1000.0
MOST_DOWN = 2.0
ROUNDING = 1e-9  # 2.1/0.7 is 3, not the next number above it


@dataclass(frozen=True, slots=True)
class Panic:
    """`over_s`: when the threshold was last reached; `replicas`: the most it wanted since the panic began."""

    over_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Kpa:
    """One stage's autoscaler: `wanted` replicas, and what it remembers.

    `target` is in requests per replica, `most` the revision's max-scale.
    """

    wanted: int
    target: float
    ticked_s: float
    panic: Panic | None
    samples: tuple[Load, ...] = ()
    most: int | None = None

    def after(self, load: Load) -> Kpa:
        """The autoscaler once it has seen one more sample; what it wants changes every 2 s at most."""
        seen = replace(self, samples=_last(STABLE_S, (*self.samples, load)))
        return seen if load.at_s - self.ticked_s < TICK_S - ROUNDING else seen._ticked(load)

    def _ticked(self, load: Load) -> Kpa:
        ready = max(1, load.replicas)
        stable = self._needed(self.samples)
        urgent = self._needed(_last(PANIC_S, self.samples))
        fewest, most = floor(ready / MOST_DOWN), ceil(MOST_UP * ready)
        wanted = min(max(stable, fewest), most)
        panic = _panic(self.panic, load.at_s, urgent / ready >= PANIC_THRESHOLD)
        if panic is not None:
            wanted = max(wanted, min(max(urgent, fewest), most), panic.replicas)
            panic = replace(panic, replicas=wanted)
        return replace(self, wanted=self._bounded(wanted), ticked_s=load.at_s, panic=panic)

    def _needed(self, window: Sequence[Load]) -> int:
        return ceil(sum(load.concurrency for load in window) / len(window) / self.target - ROUNDING)

    def _bounded(self, replicas: int) -> int:
        return max(1, replicas if self.most is None else min(replicas, self.most))


def start(at_s: float, replicas: int, concurrency: int, most: int | None = None) -> Kpa:
    """An autoscaler for a stage that runs `replicas` that take `concurrency` requests at once each."""
    panic = Panic(at_s, replicas) if replicas > 1 else None
    return Kpa(replicas, TARGET_SHARE * concurrency, at_s, panic, most=most)


def _panic(before: Panic | None, now_s: float, over: bool) -> Panic | None:
    if over:
        return Panic(now_s, before.replicas if before else 0)
    return None if before is None or before.over_s + STABLE_S < now_s else before


def _last(window_s: float, samples: tuple[Load, ...]) -> tuple[Load, ...]:
    first_s = samples[-1].at_s - window_s
    return tuple(load for load in samples if load.at_s > first_s + ROUNDING)
