"""What training needs of a trace: samples at every horizon and damping, and the errors on the seconds held back."""

from __future__ import annotations

import numpy as np

from ipa.errors import UsageError
from ipa.forecast.model_file import Split
from ipa.forecast.outlook import LEVELS, Errors, FloatArray, IntArray
from ipa.forecast.samples import Samples, samples

WINDOW_S = 120
FEWEST_SAMPLES = 50


def check(counts: IntArray, split: Split) -> None:
    """Raises UsageError for a split outside the trace."""
    if not 0 <= split.start_s < split.held_back_s < split.end_s <= len(counts):
        raise UsageError(
            f"training on seconds {split.start_s} to {split.held_back_s}, held back to {split.end_s}: must ascend and "
            f"lie within the {len(counts)} seconds of the trace"
        )


def drawn(counts: IntArray, start_s: int, end_s: int, horizon_s: int, damping: int) -> Samples:
    """Samples with at least one request in the window, every 10 s. Raises UsageError for fewer than FEWEST_SAMPLES."""
    found = samples(counts // damping, start_s, end_s, window_s=WINDOW_S, horizon_s=horizon_s)
    busy = np.flatnonzero(found.windows.any(axis=1))
    if len(busy) < FEWEST_SAMPLES:
        raise UsageError(
            f"seconds {start_s} to {end_s} of the trace, divided by {damping}, hold {len(busy)} windows of {WINDOW_S} s "
            f"with requests, no gap and {horizon_s} s to come; training needs at least {FEWEST_SAMPLES}, one every 10 s"
        )
    return Samples(found.windows[busy], found.came_rps[busy], found.at_s[busy])


def relative_errors(point_rps: FloatArray, came_rps: FloatArray) -> Errors:
    """Quantiles of truth ÷ forecast − 1."""
    z = np.quantile(came_rps / np.maximum(point_rps, 1e-9) - 1, LEVELS)
    return tuple(zip(LEVELS, z.round(6).tolist(), strict=True))
