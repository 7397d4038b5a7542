"""`ipa fit` as a value: every fitted model of every server, how good it is, and which one is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ipa.domain import Measurement
from ipa.latency.linear import linear
from ipa.latency.points import Points, Server, Unfit, points_by_server
from ipa.latency.polynomial import Polynomial
from ipa.latency.quadratic import quadratic
from ipa.latency.quality import quality

FITTED = {"linear": linear, "quadratic": quadratic}
"""The models with coefficients to compare; a table meets its points by definition."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One model on the points of one server. `curve` is None where `reason` says why it was refused.

    `latency` names what was fitted: mean, 50, 95 or 99. `better`: it has the smallest worst relative error.
    """

    server: Server
    latency: str
    model: str
    points: Points
    curve: Polynomial | None = None
    r2: float | None = None
    worst_relative_error: float | None = None
    reason: str = ""
    better: bool = False


def compare(measurements: Iterable[Measurement], percentile: str) -> tuple[Fit, ...]:
    """Fit every model at `percentile` and at the mean; rows that lack the percentile are left out there."""
    rows = tuple(measurements)
    at = {
        latency: points_by_server((row for row in rows if row.latency_s(latency) is not None), latency)
        for latency in dict.fromkeys((percentile, "mean"))
    }
    return tuple(
        fit
        for server in at["mean"]
        for latency, points in at.items()
        for fit in _marked([_fitted(server, latency, model, points.get(server, ())) for model in FITTED])
    )


def _fitted(server: Server, latency: str, model: str, points: Points) -> Fit:
    try:
        curve = FITTED[model](points)
    except Unfit as refusal:
        return Fit(server, latency, model, points, reason=str(refusal))
    r2, worst = quality(curve, points)
    return Fit(server, latency, model, points, curve, r2, worst)


def _marked(fits: list[Fit]) -> list[Fit]:
    """The same fits, the smallest worst relative error marked; of equals the simpler, listed first."""
    errors = [fit.worst_relative_error for fit in fits if fit.worst_relative_error is not None]
    if not errors:
        return fits
    # Equal within rounding is equal: a quadratic through a straight line must not win by its last digit.
    limit = min(errors) + 1e-9
    best = next(f for f in fits if f.worst_relative_error is not None and f.worst_relative_error <= limit)
    return [replace(fit, better=fit is best) for fit in fits]
