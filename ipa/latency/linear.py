"""linear: l(b) = β·b + γ. A fixed cost a call and a constant cost a request; two batches suffice."""

from __future__ import annotations

from ipa.latency.points import Points
from ipa.latency.polynomial import Polynomial, fit_polynomial


def linear(points: Points) -> Polynomial:
    """`coefficients` is (γ, β), in s and s per request."""
    return fit_polynomial("linear", 1, points)
