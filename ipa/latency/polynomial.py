"""The fit that linear and quadratic share: l(b) = c₀ + c₁·b + c₂·b² + …, least squares on the RELATIVE error.

    minimise  Σ_i ((l(b_i) − l_i) / l_i)²

The weight 1/l_i is the point. A profile spans two decades of latency (batch 1…64); plain least squares would
spend its freedom on the largest batch, where 1 ms is nothing, and miss batch 1, where 1 ms may be all of it.
The weight also makes the fit independent of the unit: the same points in ms give the same curve in ms.
"""

from __future__ import annotations

from dataclasses import dataclass

from ipa.latency.points import Points, Unfit, refuse_nonpositive

ROUNDING = 1e-9
"""Share of the latency that counts as rounding: a constant latency, fitted, may fall by that much."""


@dataclass(frozen=True, slots=True)
class Polynomial:
    """`coefficients[k]` multiplies batch**k, in s; the curve is positive and never falls on 1…`largest`."""

    name: str
    coefficients: tuple[float, ...]
    largest: int

    @property
    def batches(self) -> tuple[int, ...]:
        return tuple(range(1, self.largest + 1))

    def latency_s(self, batch: int) -> float:
        """Any batch ≥ 1; beyond the largest measured it extrapolates, as long as the curve keeps rising."""
        if batch < 1:
            raise Unfit(f"{self.name}: batch {batch}; batches are ≥ 1")
        if batch > self.largest:
            _refuse_unphysical(self.name, self.coefficients, batch)
        return _value(self.coefficients, batch)


def fit_polynomial(name: str, degree: int, points: Points) -> Polynomial:
    """Fit `points`. Raises Unfit for fewer than degree + 1 distinct batches or an unphysical curve."""
    refuse_nonpositive(name, points)
    distinct = len({batch for batch, _ in points})
    if distinct <= degree:
        raise Unfit(f"{name}: {distinct} distinct batches measured; at least {degree + 1} are needed")
    coefficients = _least_squares(degree, points)
    largest = max(batch for batch, _ in points)
    _refuse_unphysical(name, coefficients, largest)
    return Polynomial(name, coefficients, largest)


def _least_squares(degree: int, points: Points) -> tuple[float, ...]:
    import numpy as np

    batches = np.array([batch for batch, _ in points], dtype=float)
    latencies_s = np.array([latency_s for _, latency_s in points], dtype=float)
    scale = batches.max()  # x in 0…1 keeps the powers of 64 from costing digits
    powers = np.vander(batches / scale, degree + 1, increasing=True)
    solution = np.linalg.lstsq(powers / latencies_s[:, None], np.ones(len(points)), rcond=None)[0]
    return tuple(float(c) for c in solution / scale ** np.arange(degree + 1))


def _value(coefficients: tuple[float, ...], batch: int) -> float:
    return sum(c * float(batch) ** k for k, c in enumerate(coefficients))


def _refuse_unphysical(name: str, coefficients: tuple[float, ...], largest: int) -> None:
    """Raise Unfit where the curve is ≤ 0 or falls between two whole batches of 1…largest."""
    before_s = _value(coefficients, 1)
    if before_s <= 0:
        raise Unfit(f"{name}: the fitted latency at batch 1 is {before_s:.6g} s; it must be > 0")
    for batch in range(2, largest + 1):
        latency_s = _value(coefficients, batch)
        if latency_s < before_s * (1 - ROUNDING):
            raise Unfit(
                f"{name}: the fitted latency falls from {before_s:.6g} s at batch {batch - 1} to "
                f"{latency_s:.6g} s at batch {batch}; a larger batch cannot take less time"
            )
        before_s = latency_s
