"""A counter as it was scraped → how many requests arrived in each second. Pure.

Nobody knows when between two scrapes a request came: what a counter grew by is spread evenly over them. So the counts
add up, but a peak shorter than the scrape interval is flattened; the router alone knows it (monitor kind `router`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor
from statistics import median

import numpy as np
import numpy.typing as npt

from ipa.errors import Unavailable

FloatArray = npt.NDArray[np.float64]

STALE_SCRAPES = 3.0  # so many scrape intervals without a new sample mean that nobody scrapes any more
STALE_S = 10.0  # the least age that counts as stale: one slow scrape of a short interval is none
GONE_SCRAPES = 1.5  # a pod that was not scraped when its turn came has left; the others' samples go on without it


@dataclass(frozen=True, slots=True)
class Sample:
    """`value` of a counter at `at_s`; it was 0 at `created_s`, if that is known. Both in epoch seconds."""

    at_s: float
    value: float
    created_s: float | None = None


def per_second(pods: Sequence[Sequence[Sample]], since_s: float, now_s: float, window_s: int) -> tuple[int, ...]:
    """Requests in each whole second of the last `window_s`, oldest first; the last is the newest that all pods know.

    `pods`: the samples of each from `since_s` on, oldest first. Shorter than `window_s` while less is known. Raises
    Unavailable if the newest sample is too old, or if there are too few.
    """
    lines = [_line(samples, since_s) for samples in pods if samples]
    if not lines:
        raise Unavailable("there is no sample of the counter")
    newest_s = max(line.at_s[-1] for line in lines)
    interval_s = max((gap for gap in map(_interval_s, pods) if gap is not None), default=0.0)
    check_age(now_s - newest_s, max(STALE_S, STALE_SCRAPES * interval_s))
    until = floor(min(line.at_s[-1] for line in lines if newest_s - line.at_s[-1] <= GONE_SCRAPES * interval_s))
    first = max(until - window_s, _first_known(lines))
    if first >= until:
        raise Unavailable("the counter has been scraped too few times to tell what came in one second")
    edges = np.arange(first, until + 1, dtype=float)
    totals = np.sum([np.interp(edges, line.at_s, line.total) for line in lines], axis=0)
    return whole(np.diff(totals))


def whole(rates: Sequence[float] | FloatArray) -> tuple[int, ...]:
    """`rates` as whole numbers with the same sum so far at every second, to half a request."""
    return tuple(np.diff(np.rint(np.cumsum([0.0, *rates])).astype(int)).tolist())


def check_age(age_s: float, oldest_s: float) -> None:
    """Raises Unavailable if the newest sample is older than that."""
    if age_s > oldest_s:
        raise Unavailable(
            f"the newest sample is {age_s:.0f} s old, more than {oldest_s:.0f} s: nobody scrapes any more"
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """All that a pod had counted by the times `at_s`, over its restarts; a straight line between them.

    `from_start`: the first of the times is that of its first process, which had counted nothing.
    """

    at_s: list[float]
    total: list[float]
    from_start: bool


def _line(samples: Sequence[Sample], since_s: float) -> _Line:
    first = samples[0]
    line = _Line([first.at_s], [0.0], from_start=False)
    if first.created_s is not None and since_s <= first.created_s < first.at_s:
        line = _Line([first.created_s, first.at_s], [0.0, first.value], from_start=True)
    for before, sample in pairwise(samples):
        grown = sample.value - before.value
        if grown < 0 or sample.created_s != before.created_s:  # a new process counts from 0
            grown = sample.value
            if sample.created_s is not None and before.at_s < sample.created_s < sample.at_s:
                line.at_s.append(sample.created_s)
                line.total.append(line.total[-1])
        line.at_s.append(sample.at_s)
        line.total.append(line.total[-1] + grown)
    return line


def _first_known(lines: Sequence[_Line]) -> int:
    """A pod that started meanwhile had counted nothing before; of all others earlier seconds are unknown, not zero."""
    first_seen = [line.at_s[0] for line in lines if not line.from_start]
    return ceil(max(first_seen)) if first_seen else floor(min(line.at_s[0] for line in lines))


def _interval_s(samples: Sequence[Sample]) -> float | None:
    gaps = [after.at_s - before.at_s for before, after in pairwise(samples)]
    return median(gaps) if gaps else None
