"""Seconds and turns in so few points that a curve of them is readable and small."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from ipa.report.html.story import Decision, Second

MOST_POINTS = 300
WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_T = TypeVar("_T")
Points = tuple[tuple[float, float | None], ...]
"""(seconds from the start, value); None where there is none: the curve is broken."""


@dataclass(frozen=True, slots=True)
class Bin:
    """`width_s` seconds from `at_s` on. Counts are sums; p50_s and p99_s are those of the bin's worst second: the
    quantile of the whole bin cannot be had from those of its seconds. accuracy: of all answered; cores: the mean.
    """

    at_s: float
    width_s: int
    sent: int
    answered: int
    dropped: int
    failed: int
    late: int
    p50_s: float | None
    p99_s: float | None
    accuracy: float | None
    cores: float | None

    @property
    def missed_share(self) -> float | None:
        return (self.late + self.dropped + self.failed) / self.sent if self.sent else None


def bin_width_s(duration_s: float, most: int = MOST_POINTS) -> int:
    """The narrowest of WIDTHS_S, or whole hours, that makes at most about `most` bins."""
    for width_s in WIDTHS_S:
        if duration_s <= most * width_s:
            return width_s
    return 3600 * -int(-duration_s // (most * 3600))


def bins(seconds: Sequence[Second], width_s: int) -> tuple[Bin, ...]:
    """One for each stretch of `width_s` that has a second; `seconds` in order."""
    groups = groupby(seconds, lambda second: second.second // width_s)
    return tuple(_bin(number * width_s, width_s, list(members)) for number, members in groups)


def _bin(at_s: float, width_s: int, members: list[Second]) -> Bin:
    known = [(s.accuracy, s.answered) for s in members if s.accuracy is not None and s.answered]
    answered_known = sum(answered for _, answered in known)
    cores = [s.cores for s in members if s.cores is not None]
    return Bin(
        at_s=at_s,
        width_s=width_s,
        sent=sum(s.sent for s in members),
        answered=sum(s.answered for s in members),
        dropped=sum(s.dropped for s in members),
        failed=sum(s.failed for s in members),
        late=sum(s.late for s in members),
        p50_s=_largest(s.p50_s for s in members),
        p99_s=_largest(s.p99_s for s in members),
        accuracy=sum(a * n for a, n in known) / answered_known if known else None,
        cores=sum(cores) / len(cores) if cores else None,
    )


def _largest(values: Iterator[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def turns_a_point(decisions: Sequence[Decision]) -> int:
    return -(-len(decisions) // MOST_POINTS) or 1


def thinned(decisions: Sequence[Decision], value: Callable[[Decision], float | None]) -> Points:
    """A value of every turn; of too many turns the largest in each of MOST_POINTS groups of them, so no peak hides."""
    group = turns_a_point(decisions)
    points = []
    for first in range(0, len(decisions), group):
        members = decisions[first : first + group]
        points.append((members[0].at_s, _largest(value(member) for member in members)))
    return tuple(points)


def sampled(held: Sequence[tuple[float, _T]], duration_s: float, most: int) -> Sequence[tuple[float, _T]]:
    """(from when, what held): as it is, or of more than `most` what held at so many even times."""
    if len(held) <= most:
        return held
    starts = [at_s for at_s, _ in held]
    times = [duration_s * i / most for i in range(most)]
    return [(at_s, held[bisect_right(starts, at_s) - 1][1]) for at_s in times if at_s >= starts[0]]


def mean_over_time(points: Points, end_s: float) -> float | None:
    """Each value holds until the next point, the last until `end_s`; unknown stretches do not count."""
    total = weight = 0.0
    for (at_s, value), next_s in zip(points, [*(at for at, _ in points[1:]), end_s], strict=False):
        if value is not None:
            total += value * (next_s - at_s)
            weight += next_s - at_s
    return total / weight if weight > 0 else None
