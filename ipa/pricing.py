"""What one replica does with a batch, in the contract's terms: l and h, margins included.

    l = latency at latency.percentile × (1 + margin)
    h = (throughput_rps if measured, else batch / mean latency) × (1 + throughput_margin)

The option table and the base allocation read the same prices. The margin of the latency never touches h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipa.domain import LatencySettings, Measurement
from ipa.errors import UsageError
from ipa.latency import MODELS, LatencyModel, Unfit


@dataclass(frozen=True, slots=True)
class Price:
    batch: int
    latency_s: float
    throughput_rps: float


def prices(rows: Sequence[Measurement], batches: Sequence[int], settings: LatencySettings) -> list[Price]:
    """l and h of one server at `batches`; without any, at all measured ones. `table` passes over what nobody measured.

    `rows` are the measurements of one (stage, variant, hardware, cores). Raises UsageError where the latency model
    does not fit them.
    """
    measured = {row.batch: row.throughput_rps for row in rows}
    table = settings.model == "table"
    wanted = [b for b in batches or sorted(measured) if b in measured or not table]
    try:
        latency = _model(settings.model, rows, settings.percentile)
        mean = _model(settings.model, rows, "mean")
        points = [(b, latency.latency_s(b), mean.latency_s(b)) for b in wanted]
    except Unfit as error:
        where = f"{rows[0].stage}/{rows[0].variant} on {rows[0].hardware} with {rows[0].cores} core(s)"
        raise UsageError(f"{where}: latency.model {settings.model!r} does not fit: {error}") from error
    return [
        Price(b, latency_s * (1 + settings.margin), (measured.get(b) or b / mean_s) * (1 + settings.throughput_margin))
        for b, latency_s, mean_s in points
    ]


def _model(name: str, rows: Sequence[Measurement], percentile: str) -> LatencyModel:
    points = tuple(sorted((row.batch, latency) for row in rows if (latency := row.latency_s(percentile)) is not None))
    return MODELS[name](points)
