"""The plan over time: a lane a stage, a segment for as long as the stage ran the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from ipa.domain import Allocation, Plan
from ipa.report.html.bins import sampled
from ipa.report.html.quantities import moment
from ipa.report.words import words

MOST_SEGMENTS = 200
TONES = 6


@dataclass(frozen=True, slots=True)
class Segment:
    """`left` and `width` in % of the run; `tone`: a variant's colour within its stage; `title`: all in words."""

    left: float
    width: float
    label: str
    title: str
    tone: int


@dataclass(frozen=True, slots=True)
class Lane:
    stage: str
    segments: tuple[Segment, ...]


Ran = Sequence[tuple[float, Plan]]


def lanes(ran: Ran, duration_s: float, start: datetime | None) -> tuple[Lane, ...]:
    """Stages in the order of the plans. Of more than MOST_SEGMENTS the ones between even times are left out."""
    stages = dict.fromkeys(a.stage for _, plan in ran for a in plan.allocations)
    return tuple(Lane(stage, _segments(stage, ran, duration_s, start)) for stage in stages)


def _segments(stage: str, ran: Ran, duration_s: float, start: datetime | None) -> tuple[Segment, ...]:
    held = _merged([(at_s, _of(plan, stage)) for at_s, plan in ran])
    held = _merged(sampled(held, duration_s, MOST_SEGMENTS))
    tones = {name: i % TONES for i, name in enumerate(dict.fromkeys(a.variant for _, a in held if a is not None))}
    ends = [at_s for at_s, _ in held[1:]] + [duration_s]
    return tuple(
        _segment(allocation, (at_s, end_s), duration_s or 1.0, start, tones[allocation.variant])
        for (at_s, allocation), end_s in zip(held, ends, strict=True)
        if allocation is not None
    )


def _of(plan: Plan, stage: str) -> Allocation | None:
    return next((a for a in plan.allocations if a.stage == stage), None)


def _merged(held: Sequence[tuple[float, Allocation | None]]) -> list[tuple[float, Allocation | None]]:
    return [next(members) for _, members in groupby(held, lambda each: each[1])]


def _segment(
    a: Allocation, between: tuple[float, float], duration_s: float, start: datetime | None, tone: int
) -> Segment:
    left_s, right_s = (min(max(at_s, 0.0), duration_s) for at_s in between)
    return Segment(
        left=100 * left_s / duration_s,
        width=100 * (right_s - left_s) / duration_s,
        label=short(a),
        title=f"{a.stage} {words(a)}\n{moment(left_s, start)} – {moment(right_s, start)}",
        tone=tone,
    )


def short(a: Allocation) -> str:
    """`2×small b4`: what fits in a lane; cores and hardware are in the title."""
    return f"{a.replicas}×{a.variant} b{a.batch}"
