"""How long a replica works on n requests in simulation and rehearsal: the mean latency, at every n, measured or not."""

from __future__ import annotations

from itertools import pairwise

from ipa.latency.points import Points, Unfit, refuse_nonpositive


def service_time_s(points: Points, requests: int) -> float:
    """Linear between measured batches, the first and last segment extended, in seconds and never below 0.

    A single measured batch has no segment: then the time is in proportion. Raises Unfit if nobody measured any.
    """
    if not points:
        raise Unfit("service time: 0 measured batches; at least 1 is needed")
    refuse_nonpositive("service time", points)
    ordered = sorted(points)
    if len(ordered) == 1:
        (batch, latency_s) = ordered[0]
        return latency_s * requests / batch
    ends = next((pair for pair in pairwise(ordered) if requests <= pair[1][0]), (ordered[-2], ordered[-1]))
    (low, low_s), (high, high_s) = ends
    return max(0.0, low_s + (high_s - low_s) * (requests - low) / (high - low))
