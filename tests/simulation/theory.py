"""Queueing theory: mean waits in seconds of queues that are solved. Nothing of ipa is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, factorial, log, sqrt
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

T_999 = 3.883  # Student's t at 19 degrees of freedom, two-sided 99.9 %
REPLICATIONS = 20


def wait_of_one_server_s(rate_rps: float, mean_s: float, square_s2: float) -> float:
    """M/G/1, Pollaczek and Khinchine: W = λ·E[S²] / (2·(1 − λ·E[S]))."""
    return rate_rps * square_s2 / (2 * (1 - rate_rps * mean_s))


def wait_of_many_servers_s(rate_rps: float, mean_s: float, servers: int) -> float:
    """M/M/n: W = C(n, a) / (n/E[S] − λ) with Erlang's C for a load of a = λ·E[S]."""
    load = rate_rps * mean_s
    waiting = load**servers / factorial(servers) / (1 - load / servers)
    delayed = waiting / (sum(load**k / factorial(k) for k in range(servers)) + waiting)
    return delayed / (servers / mean_s - rate_rps)


def sojourn_quantile_s(rate_rps: float, mean_s: float, quantile: float) -> float:
    """M/M/1: the time from arrival to answer is exponential with the rate µ − λ."""
    return -log(1 - quantile) / (1 / mean_s - rate_rps)


def wait_of_bulk_server_s(rate_rps: float, service_s: Sequence[float], longest: int = 400) -> float:
    """M/D^[1,b]/1, greedy: a batch of n ≤ b takes service_s[n − 1]; who finds it idle goes alone (Neuts 1967).

    The queue that a batch leaves behind is a Markov chain, here cut off at `longest`: from x the next batch has
    n = min(max(x, 1), b), then Poisson(λ·D_n) more wait. Over a cycle the queue is x − n (0 if x = 0) + λ·t, so that
    L = Σ π_x·((x − n)⁺·D_n + λ·D_n²/2) / Σ π_x·(D_n + 1/λ if x = 0), and W = L/λ (Little).
    """
    arrivals = [_poisson(rate_rps * each_s, longest) for each_s in service_s]
    moves = np.zeros((longest, longest))
    held_s2 = np.zeros(longest)
    cycle_s = np.zeros(longest)
    for x in range(longest):
        taken = min(max(x, 1), len(service_s))
        left, busy_s = max(x - taken, 0), service_s[taken - 1]
        moves[x, left:] = arrivals[taken - 1][: longest - left]
        held_s2[x] = left * busy_s + rate_rps * busy_s**2 / 2
        cycle_s[x] = busy_s + (1 / rate_rps if x == 0 else 0.0)
    share = _stationary(moves / moves.sum(axis=1, keepdims=True))
    return float(share @ held_s2 / (share @ cycle_s) / rate_rps)


def _poisson(mean: float, longest: int) -> NDArray[np.float64]:
    found = np.empty(longest)
    found[0] = exp(-mean)
    for k in range(1, longest):
        found[k] = found[k - 1] * mean / k
    return found


def _stationary(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    equations = np.vstack([moves.T - np.eye(len(moves)), np.ones(len(moves))])
    right = np.zeros(len(moves) + 1)
    right[-1] = 1.0
    found: NDArray[np.float64] = np.linalg.lstsq(equations, right, rcond=None)[0].astype(np.float64)
    return found


# --- exponential service times as a table -----------------------------------------------------------------------------


def exponential_quantiles_s(mean_s: float, rows: int = 4097) -> NDArray[np.float64]:
    """On an even grid. The last quantile is infinite: instead it gives the last cell its mean, −ln(1 − p) + 1 over it.

    Straight lines between quantiles lie above the curve, so all is scaled to the exact mean (by 1 − 2e-5 at 4,097
    rows); what stays is E[S²] too large by a share of 2e-5 (`moments` says it exactly).
    """
    cells = rows - 1
    quantiles = -np.log1p(-np.arange(cells) / cells)
    quantiles = np.append(quantiles, quantiles[-1] + 2.0)
    return mean_s * quantiles / moments(quantiles)[0]


def moments(quantiles_s: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and mean square of what lies evenly between neighbouring quantiles."""
    a, b = quantiles_s[:-1], quantiles_s[1:]
    return float(((a + b) / 2).mean()), float(((a * a + a * b + b * b) / 3).mean())


# --- a mean and how sure it is ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """The 99.9 % confidence interval of a mean from independent replications (Student's t)."""

    mean: float
    half_width: float

    def holds(self, value: float) -> bool:
        return abs(value - self.mean) <= self.half_width


def interval(replications: Sequence[float]) -> Interval:
    assert len(replications) == REPLICATIONS
    return Interval(fmean(replications), T_999 * stdev(replications) / sqrt(REPLICATIONS))
