"""What the engine tells: which requests ended how, and how full the stages were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipa.workload.processes import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """What ended, in order. `accuracy`: product over the stages it ran. `stage`: where it was dropped, −1 nowhere.

    `full`: dropped because the queue was full, not because it was too late.
    """

    request: NDArray[np.int64]
    at_s: FloatArray
    outcome: NDArray[np.int8]
    accuracy: FloatArray
    stage: NDArray[np.int8]
    full: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Of one stage: mean numbers of replicas at work and of requests in the stage, waiting or in service."""

    busy: float
    requests: float


def joined(parts: Sequence[Finished]) -> Finished:
    if len(parts) == 1:
        return parts[0]
    return Finished(*(np.concatenate([getattr(part, name) for part in parts]) for name in Finished.__slots__))


def by_end(parts: Sequence[Finished]) -> Finished:
    """The parts as one, in the order of their ends."""
    whole = joined([part for part in parts if len(part.request)] or parts[:1])
    order = np.argsort(whole.at_s, kind="stable")
    return Finished(*(getattr(whole, name)[order] for name in Finished.__slots__))


def occupancy(stages: NDArray[Any], now_s: float, since_s: float) -> tuple[Occupancy, ...]:
    """Means over the time since `since_s`, when this was last asked; `stages` have the fields of kernel.STAGE."""
    lasted_s = now_s - since_s
    means = []
    for count, integral_s in (("working", "working_s"), ("present", "present_s")):
        means.append((stages[integral_s] + stages[count] * now_s) / lasted_s if lasted_s > 0 else stages[count])
        # Rebased at each call: sums of clock readings would lose digits in a long run.
        stages[integral_s] = -stages[count] * now_s
    return tuple(Occupancy(float(busy), float(requests)) for busy, requests in zip(*means, strict=True))
