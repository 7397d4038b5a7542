"""k' = ceil(k · max_i r_i(now) / r_i(plan)): bursts compared with those the plan was made for.

And never fewer than carry what lasts, r·s/µ: a plan with little slack is overloaded within the tolerance of the ratio.
"""

from __future__ import annotations

from math import ceil

from ipa.options import TOLERANCE
from ipa.tuner.planned import Planned
from ipa.workload.counts import Counts
from ipa.workload.envelope import TICK_S, Envelope

TOLERATED = 0.1
"""Beyond the running replicas: fresh traffic of the same law exceeds its sample by a few per cent now and then."""
LASTING = round(10.0 / TICK_S)  # ticks: a window so wide holds a load, not a burst


def wanted(planned: Planned, running: tuple[int, ...], now: Envelope, ticks: Counts) -> tuple[int, ...]:  # noqa: ARG001
    """Per stage; what runs where it is enough to within the tolerance and not too much."""
    then = planned.envelope.rates_rps
    ratios = [rate_rps / then[width] for width, rate_rps in now.rates_rps.items() if then.get(width)]
    if not ratios:
        return running
    lasting_rps = max((rate_rps for width, rate_rps in now.rates_rps.items() if width >= LASTING), default=0.0)
    stages = zip(planned.replicas, planned.carried_rps, running, strict=True)
    return tuple(max(_enough(k * max(ratios), n), ceil(lasting_rps / carried - TOLERANCE)) for k, carried, n in stages)


def _enough(need: float, running: int) -> int:
    whole = max(1, ceil(need - TOLERANCE))
    return running if running < whole and need <= running * (1 + TOLERATED) else whole
