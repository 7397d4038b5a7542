"""The paper's rule, word for word; it compares the rate of a burst with the mean rate of the sample.

    up     V = {i: r_i(now) > r_i(plan)}, r = max r_i(now) over V, k' = ceil(r·s/(µ·ρ)),  ρ = λ·s/(k·µ), so k·r/λ
    down   λ' = the busiest 5 s of the last 30 s, k' = ceil(λ'·s/(µ·min ρ))

Two things it does not say. Fewer replicas than planned are enough for as much less than planned: below the planned
envelope there are k·max r_i(now)/r_i(plan) at least. And what the first line wants, the second does not take away: it
would come back a second later.
"""

from __future__ import annotations

from math import ceil

from ipa.options import TOLERANCE
from ipa.tuner.planned import Planned
from ipa.workload.counts import Counts
from ipa.workload.envelope import TICK_S, Envelope, busiest_rps

TOLERATED = 0.05
DOWN_WINDOW_S, DOWN_SEEN_S = 5.0, 30.0


def wanted(planned: Planned, running: tuple[int, ...], now: Envelope, ticks: Counts) -> tuple[int, ...]:
    """Per stage."""
    fewest = _fewest(planned, now)
    peak_rps = busiest_rps(ticks[-round(DOWN_SEEN_S / TICK_S) :], DOWN_WINDOW_S)
    if peak_rps is None:
        return tuple(max(pair) for pair in zip(fewest, running, strict=True))
    used = [planned.rate_rps / (k * c) for k, c in zip(planned.replicas, planned.carried_rps, strict=True)]
    least = [_whole(peak_rps / (c * min(used))) for c in planned.carried_rps]
    return tuple(max(f, min(n, k)) for f, n, k in zip(fewest, running, least, strict=True))


def _fewest(planned: Planned, now: Envelope) -> tuple[int, ...]:
    """What the envelope calls for."""
    then = planned.envelope.rates_rps
    pairs = [(rate_rps, (1 + TOLERATED) * then[width]) for width, rate_rps in now.rates_rps.items() if then.get(width)]
    beyond = [rate_rps for rate_rps, planned_rps in pairs if rate_rps > planned_rps]
    if beyond:
        return tuple(_whole(k * max(beyond) / planned.rate_rps) for k in planned.replicas)
    share = max((rate_rps / planned_rps for rate_rps, planned_rps in pairs), default=0.0)
    return tuple(_whole(k * share) for k in planned.replicas)


def _whole(replicas: float) -> int:
    return max(1, ceil(replicas - TOLERANCE))
