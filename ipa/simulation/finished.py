"""What the engine tells: which requests ended how, and how full the stages were."""

from __future__ import annotations

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


def no_ends(room: int) -> Finished:
    """Room for so many, to be written."""
    return Finished(
        np.empty(room, np.int64),
        np.empty(room),
        np.empty(room, np.int8),
        np.empty(room),
        np.empty(room, np.int8),
        np.empty(room, np.bool_),
    )


def part_of(whole: Finished, first: int, end: int) -> Finished:
    """A view: what is written into it is written into the whole."""
    return Finished(*(getattr(whole, name)[first:end] for name in Finished.__slots__))


def put_in_order(part: Finished) -> None:
    """By the time of the end."""
    order = np.argsort(part.at_s, kind="stable")
    for name in Finished.__slots__:
        getattr(part, name)[:] = getattr(part, name)[order]


def occupancy(stages: NDArray[Any], now_s: float, since_s: float) -> tuple[Occupancy, ...]:
    """Means over the time since `since_s`, when this was last asked; `stages` have the fields of records.STAGE."""
    lasted_s = now_s - since_s
    means = []
    for count, integral_s in (("working", "working_s"), ("present", "present_s")):
        means.append((stages[integral_s] + stages[count] * now_s) / lasted_s if lasted_s > 0 else stages[count])
        # Rebased at each call: sums of clock readings would lose digits in a long run.
        stages[integral_s] = -stages[count] * now_s
    return tuple(Occupancy(float(busy), float(requests)) for busy, requests in zip(*means, strict=True))
