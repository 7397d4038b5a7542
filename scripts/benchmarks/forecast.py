"""Forecasts: how far off, how dear, and whether calibrated bounds hold, on days that no predictor has seen.

The trace that IPA_TWITTER_TRACE names, its days 15 to 21; without it a synthetic one, which says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.rows import Row
from ipa.adapters.predictor_files import contenders
from ipa.adapters.trace_files import read_counts
from ipa.forecast.comparison import Score, compare, outlook_of
from ipa.forecast.outlook import FloatArray, IntArray
from ipa.forecast.samples import samples
from ipa.forecast.scores import calibrated

TRACE = "IPA_TWITTER_TRACE"
DAY_S = 86_400
CASES = ((20, 1), (10, 1), (60, 1), (20, 8))
LEVELS = (0.8, 0.9, 0.95)
AGAINST = "lstm"


def run() -> Iterator[Row]:
    counts, held_out, source = _trace()
    predictors = {name: each.predict for name, each in contenders(None, [], elsewhere=True).items()}
    for horizon_s, damping in CASES:
        found = samples(counts // damping, *held_out, window_s=120, horizon_s=horizon_s)
        scores = compare(predictors, found, horizon_s, 0.9, AGAINST, time.thread_time)
        default = next(score for score in scores if score.name == "ewma")
        for score in scores:
            yield _row(f"{source}, {horizon_s} s ahead, counts divided by {damping}", score, default)
    for name in ("ewma", "lightgbm"):
        yield _coverage(f"{name}, {source}", name, counts, held_out)
        yield _coverage(f"{name}, Poisson arrivals of 20, then of 80 requests/s", name, _jump(), (0, 2 * DAY_S))


def _row(where: str, score: Score, default: Score) -> Row:
    """`ratio`: processor time of a forecast ÷ the default predictor's."""
    return {
        "name": f"forecast by {score.name}: {where}",
        "kind": "forecast",
        "ratio": round(score.cpu_us / default.cpu_us, 2),
        "smape": round(score.smape.mean, 3),
        "smape_95": [round(score.smape.low, 3), round(score.smape.high, 3)],
        f"minus_{AGAINST}_95": score.difference and [round(score.difference.low, 3), round(score.difference.high, 3)],
        "under_share": round(score.under_share, 4),
        "under_depth": round(score.under_depth, 4),
        "held_at_0.9": round(score.held, 4),
        "cpu_us": round(score.cpu_us, 1),
    }


def _coverage(where: str, name: str, counts: IntArray, held_out: tuple[int, int]) -> Row:
    """The share of loads beneath calibrated bounds: of all, and after the first half, where a jump is."""
    found = samples(counts, *held_out, window_s=120, horizon_s=20)
    content = contenders([name], [], elsewhere=True)
    outlook = outlook_of(content[name].predict, found.windows, 20)
    bounds = {p: calibrated(outlook, found.came_rps, found.at_s, 20, p) for p in LEVELS}
    return {
        "name": f"calibrated bounds of {where}",
        "kind": "coverage",
        "held": {p: round(_held(bound, found.came_rps), 4) for p, bound in bounds.items()},
        "held_in_the_hour_after_half": {
            p: round(_held(*_hour(bound, found.came_rps)), 4) for p, bound in bounds.items()
        },
        "uncalibrated": {p: round(_held(outlook.quantile_rps(p), found.came_rps), 4) for p in LEVELS},
    }


def _hour(bound: FloatArray, came: FloatArray) -> tuple[FloatArray, FloatArray]:
    half = len(came) // 2
    return bound[half : half + 360], came[half : half + 360]


def _held(bound: FloatArray, came: FloatArray) -> float:
    return float((came <= bound).mean())


def _jump() -> IntArray:
    random = np.random.default_rng(0)
    return np.concatenate([random.poisson(20, DAY_S), random.poisson(80, DAY_S)])


def _trace() -> tuple[IntArray, tuple[int, int], str]:
    path = os.environ.get(TRACE)
    if path:
        return read_counts(path, TRACE), (14 * DAY_S, 21 * DAY_S), "Twitter trace, days 15 to 21"
    random = np.random.default_rng(0)
    level = 60 * np.exp(np.cumsum(random.normal(0, 0.006, 2 * DAY_S)))
    return random.poisson(np.clip(level, 5, 400)), (DAY_S, 2 * DAY_S), "synthetic trace"
