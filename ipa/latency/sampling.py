"""When enough was measured, and what it amounts to. Pure: latencies and elapsed time come in as values.

The confidence interval of the median is distribution-free: with x₍₁₎ ≤ … ≤ x₍ₙ₎ the number of samples below the true
median is Binomial(n, ½) whatever the distribution, so P(x₍ᵣ₎ ≤ median ≤ x₍ₙ₊₁₋ᵣ₎) = 1 − 2·P(Bin(n, ½) < r).
(Conover, Practical Nonparametric Statistics, 3.2; Le Boudec, Performance Evaluation, 2.2.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log

from ipa.domain import Measurement


@dataclass(frozen=True, slots=True)
class Rule:
    """Stop once the interval of p50 is within ±`precision` of it, after at least `repeats` and `seconds`."""

    precision: float = 0.05
    confidence: float = 0.95
    repeats: int = 30
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """One point of a profile. `precision` is the half-width of p50's interval as a share of p50, None if unknown."""

    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    throughput_rps: float
    requests: int
    precision: float | None


def median_ranks(count: int, confidence: float) -> tuple[int, int] | None:
    """The ranks (from 1) whose samples enclose the median with at least `confidence`; None if too few samples.

    The largest r with P(Bin(count, ½) < r) ≤ (1 − confidence)/2, and its mirror image count + 1 − r.
    """
    tail = (1 - confidence) / 2
    below = 0.0
    rank = 0
    while rank < count:
        # Logarithms: 2⁻ⁿ underflows beyond some thousand samples.
        below += exp(lgamma(count + 1) - lgamma(rank + 1) - lgamma(count - rank + 1) - count * log(2))
        if below > tail:
            break
        rank += 1
    return (rank, count + 1 - rank) if rank else None


def median_interval(latencies_s: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """The interval that holds the median with at least `confidence`; None for too few samples (6 at 95 %)."""
    ranks = median_ranks(len(latencies_s), confidence)
    if ranks is None:
        return None
    ordered = sorted(latencies_s)
    return ordered[ranks[0] - 1], ordered[ranks[1] - 1]


def precision(latencies_s: Sequence[float], confidence: float) -> float | None:
    """The farther end of the median's interval, as a share of the median; None for too few samples."""
    interval = median_interval(latencies_s, confidence)
    if interval is None:
        return None
    p50_s = quantile(sorted(latencies_s), 0.5)
    return max(p50_s - interval[0], interval[1] - p50_s) / p50_s


def enough(latencies_s: Sequence[float], elapsed_s: float, rule: Rule) -> bool:
    """Whether the samples of `elapsed_s` seconds satisfy `rule`.

    Looking again and again favours a lucky interval: the coverage at the stop is a little below `confidence`. Look
    seldom, at counts that grow by a share (see `next_look`).
    """
    if len(latencies_s) < rule.repeats or elapsed_s < rule.seconds:
        return False
    reached = precision(latencies_s, rule.confidence)
    return reached is not None and reached <= rule.precision


def next_look(count: int, rule: Rule) -> int:
    """How many samples to have before looking again: half as many more, so that the looks are few."""
    return max(rule.repeats, count + (count + 1) // 2)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of ascending values, linear between neighbours (numpy's default)."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def summary(latencies_s: Sequence[float], elapsed_s: float, batch: int, rule: Rule) -> Summary:
    """The numbers of a point: latencies per batch of `batch` requests, sent one after the other for `elapsed_s`."""
    ordered = sorted(latencies_s)
    requests = batch * len(ordered)
    return Summary(
        mean_s=sum(ordered) / len(ordered),
        p50_s=quantile(ordered, 0.50),
        p95_s=quantile(ordered, 0.95),
        p99_s=quantile(ordered, 0.99),
        throughput_rps=requests / elapsed_s,
        requests=requests,
        precision=precision(ordered, rule.confidence),
    )


@dataclass(frozen=True, slots=True)
class Sampled:
    """A measured point. `settled` is false where the time ran out before p50 was known to the rule's precision."""

    measurement: Measurement
    precision: float | None
    settled: bool
