"""What the boosted trees look at, against the definitions, one window at a time."""

from __future__ import annotations

from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ipa.forecast.features import LEVEL_SMOOTHING, NAMES, SMALLEST_RPS, SMOOTHINGS, features

windows = arrays.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 130)), elements=st.integers(0, 500))


def smoothed(window: list[float], smoothing: float) -> float:
    """Σ (1 − a)^age · count ÷ Σ (1 − a)^age, second by second."""
    total = weight = 0.0
    for count in window:
        total, weight = (1 - smoothing) * total + count, (1 - smoothing) * weight + 1
    return max(SMALLEST_RPS, total / weight)


@given(windows)
@settings(deadline=None, max_examples=50)
def test_every_feature_is_what_its_name_says(found: np.ndarray) -> None:
    rows = features(found)
    assert rows.shape == (len(found), len(NAMES))
    for window, row in zip(found.tolist(), rows, strict=True):
        level = smoothed(window, LEVEL_SMOOTHING)
        assert row[:-3] == pytest.approx([log(smoothed(window, each) / level) for each in SMOOTHINGS], abs=1e-9)
        steps = [after - before for before, after in pairwise(window)]
        assert row[-3] == pytest.approx((sum(step**2 for step in steps) / (2 * len(steps))) ** 0.5 / level)
        assert row[-2] == pytest.approx(np.std(window) / level)
        assert row[-1] == pytest.approx(log(level))


def test_all_but_the_level_are_the_same_at_every_scale() -> None:
    window = np.random.default_rng(0).poisson(30, (1, 120)).astype(float)
    once, tenfold = features(window), features(10 * window)
    assert tenfold[:, :-1] == pytest.approx(once[:, :-1])
    assert tenfold[0, -1] == pytest.approx(once[0, -1] + log(10))


def test_a_window_without_requests_has_finite_features() -> None:
    row = features(np.zeros((1, 120)))
    assert row[0, -1] == log(SMALLEST_RPS)
    assert np.isfinite(row).all()
