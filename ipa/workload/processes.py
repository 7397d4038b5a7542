"""Arrival processes: rate and variation → arrival times over the whole segment.

Every process is stationary from its first instant: drawing each second anew would start every second with a burst.
With rate λ (requests per second) and coefficient of variation c, inter-arrival times have mean 1/λ and deviation c/λ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArrivalProcess:
    """`arrivals(rate_rps, cv, duration_s, rng)` → sorted times in [0, duration_s).

    `cv`: the variation of the inter-arrival times, None if the expression gives it.
    """

    cv: float | None
    arrivals: Callable[[float, float, float, np.random.Generator], FloatArray]


def _constant(rate_rps: float, _cv: float, duration_s: float, _rng: np.random.Generator) -> FloatArray:
    count = math.ceil(rate_rps * duration_s - 1e-9)
    times_s = np.arange(count) / rate_rps
    return times_s[times_s < duration_s]


def _poisson(rate_rps: float, cv: float, duration_s: float, rng: np.random.Generator) -> FloatArray:
    def gaps_s(size: int) -> FloatArray:
        return rng.exponential(1 / rate_rps, size)

    return _renewals(float(gaps_s(1)[0]), gaps_s, _chunk(rate_rps, cv, duration_s), duration_s)


def _gamma(rate_rps: float, cv: float, duration_s: float, rng: np.random.Generator) -> FloatArray:
    shape, scale_s = 1 / cv**2, cv**2 / rate_rps
    # The gap that covers time 0 is length-biased, Γ(shape + 1), and 0 falls anywhere in it: the equilibrium start
    # of a renewal process (Cox, Renewal Theory, 1962, ch. 5). A plain first gap would start with a burst.
    first_s = rng.gamma(shape + 1, scale_s) * rng.random()
    chunk = _chunk(rate_rps, cv, duration_s)
    return _renewals(first_s, lambda size: rng.gamma(shape, scale_s, size), chunk, duration_s)


def _chunk(rate_rps: float, cv: float, duration_s: float) -> int:
    """How many gaps nearly always cover `duration_s`: mean + 5 deviations of the count."""
    expected = rate_rps * duration_s
    return int(expected + 5 * cv * math.sqrt(expected)) + 16


def _renewals(first_s: float, gaps_s: Callable[[int], FloatArray], chunk: int, duration_s: float) -> FloatArray:
    parts = [np.array([first_s])]
    while parts[-1][-1] < duration_s:
        parts.append(parts[-1][-1] + np.cumsum(gaps_s(chunk)))
    times_s = np.concatenate(parts)
    return times_s[times_s < duration_s]


PROCESSES: Mapping[str, ArrivalProcess] = {
    "constant": ArrivalProcess(0.0, _constant),
    "poisson": ArrivalProcess(1.0, _poisson),
    "gamma": ArrivalProcess(None, _gamma),
}


def process_arrivals(kind: str, rate_rps: float, cv: float, duration_s: float, rng: np.random.Generator) -> FloatArray:
    """Sorted arrival times of PROCESSES[kind] in [0, duration_s); none at rate 0."""
    if rate_rps == 0:
        return np.empty(0)
    return PROCESSES[kind].arrivals(rate_rps, cv, duration_s, rng)


def count_arrivals(counts: NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
    """counts[s] arrivals spread uniformly over second s: sorted times in [0, len(counts))."""
    seconds = np.repeat(np.arange(len(counts), dtype=np.float64), counts)
    times_s = np.sort(seconds + rng.random(len(seconds)))
    # second + 0.999… may round up to the next second, far from 0
    return np.minimum(times_s, np.nextafter(seconds + 1, 0))
