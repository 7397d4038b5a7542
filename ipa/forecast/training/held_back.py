"""What training needs of a trace: samples at every horizon and damping, and the errors on the seconds held back."""

from __future__ import annotations

import numpy as np

from ipa.errors import UsageError
from ipa.forecast.model_file import Split
from ipa.forecast.outlook import LEVELS, Errors, FloatArray, IntArray
from ipa.forecast.questions import span
from ipa.forecast.samples import Samples, samples

WINDOW_S = 120
FEWEST_SAMPLES = 20
HELD_BACK = 5
"""The last 1/5 of what a predictor is trained on is held back from fitting."""


def split_of(text: str | None, seconds: int) -> Split:
    """Of START:END, None for the first two thirds of a trace of `seconds`. Raises UsageError."""
    start, end = span("--train", text) if text is not None else (0, 2 * seconds // 3)
    return Split(start, end - (end - start) // HELD_BACK, end)


def check(counts: IntArray, split: Split) -> None:
    """Raises UsageError for a split outside the trace."""
    if not 0 <= split.start_s < split.held_back_s < split.end_s <= len(counts):
        raise UsageError(
            f"training on seconds {split.start_s} to {split.held_back_s}, held back to {split.end_s}: must ascend and "
            f"lie within the {len(counts)} seconds of the trace"
        )


def drawn(counts: IntArray, start_s: int, end_s: int, horizon_s: int) -> Samples:
    """Samples with at least one request in the window, every 10 s. Raises UsageError for fewer than FEWEST_SAMPLES."""
    found = samples(counts, start_s, end_s, window_s=WINDOW_S, horizon_s=horizon_s)
    busy = np.flatnonzero(found.windows.any(axis=1))
    if len(busy) < FEWEST_SAMPLES:
        raise UsageError(
            f"seconds {start_s} to {end_s} of the trace hold {len(busy)} windows of "
            f"{WINDOW_S} s with requests, no gap and {horizon_s} s to come; at least {FEWEST_SAMPLES} are needed"
        )
    return Samples(found.windows[busy], found.came_rps[busy], found.at_s[busy])


def quantiles(off: FloatArray) -> Errors:
    """Of how far the truth fell from the forecast, in units of the forecast's scale."""
    return tuple(zip(LEVELS, np.quantile(off, LEVELS).round(6).tolist(), strict=True))
