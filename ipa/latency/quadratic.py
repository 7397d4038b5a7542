"""quadratic: l(b) = α·b² + β·b + γ, the latency model of IPA (arXiv 2308.12871, section 4)."""

from __future__ import annotations

from ipa.latency.points import Points
from ipa.latency.polynomial import Polynomial, fit_polynomial


def quadratic(points: Points) -> Polynomial:
    """`coefficients` is (γ, β, α), in s, s per request and s per squared request."""
    return fit_polynomial("quadratic", 2, points)
