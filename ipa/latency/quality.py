"""How well a model meets its points."""

from __future__ import annotations

from typing import Protocol

from ipa.latency.points import Points


class Priced(Protocol):
    def latency_s(self, batch: int) -> float: ...


def quality(model: Priced, points: Points) -> tuple[float, float]:
    """(R², worst relative error) over `points`, both without unit.

    R² = 1 − Σ(l̂ − l)² / Σ(l − mean l)², so it speaks of large batches; the relative error of all alike.
    Where all latencies are the same, R² is 1 for a model within rounding and 0 otherwise.
    """
    measured = [latency_s for _, latency_s in points]
    errors_s = [model.latency_s(batch) - latency_s for batch, latency_s in points]
    mean_s = sum(measured) / len(measured)
    residual = sum(e * e for e in errors_s)
    spread = sum((latency_s - mean_s) ** 2 for latency_s in measured)
    worst = max(abs(e) / latency_s for e, latency_s in zip(errors_s, measured, strict=True))
    rounding = 1e-18 * mean_s * mean_s * len(measured)
    if spread <= rounding:
        return (1.0 if residual <= rounding else 0.0), worst
    return 1 - residual / spread, worst
