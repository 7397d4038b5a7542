"""Service times against the contract's rule, told a second time in plain Python."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.domain import Measurement
from ipa.errors import UsageError
from ipa.simulation.service import LEVELS, SERVICES, SHORTEST_S, mean, quantiles
from tests.pipelines import measurement


def row(batch: int, mean_s: float, p50_s: float | None, p95_s: float | None, p99_s: float | None) -> Measurement:
    return Measurement("s", "v", "cpu", 1, batch, mean_s, p50_s, p95_s, p99_s)


def line(points: list[tuple[int, float]], n: int) -> float:
    """The straight line through the two measured batches around n; outside through the nearest two."""
    points = sorted(points)
    if len(points) == 1:
        return points[0][1]
    pairs = list(pairwise(points))
    (b0, s0), (b1, s1) = next((pair for pair in pairs if n <= pair[1][0]), pairs[-1])
    return s0 + (s1 - s0) * (n - b0) / (b1 - b0)


BY_HAND = [
    ("measured batches are hit", [(1, 0.010), (4, 0.031)], 4, [0.010, 0.017, 0.024, 0.031]),
    ("beyond the largest the last segment goes on", [(1, 0.010), (2, 0.015)], 4, [0.010, 0.015, 0.020, 0.025]),
    ("before the smallest the first one does", [(2, 0.020), (4, 0.030)], 4, [0.015, 0.020, 0.025, 0.030]),
    ("one measured batch holds for all", [(4, 0.030)], 3, [0.030, 0.030, 0.030]),
    ("what is extended below zero still takes time", [(3, 0.010), (4, 0.020)], 3, [SHORTEST_S, SHORTEST_S, 0.010]),
]


@pytest.mark.parametrize(("sentence", "points", "largest", "seconds"), BY_HAND)
def test_the_mean_is_linear_between_batches(
    sentence: str, points: list[tuple[int, float]], largest: int, seconds: list[float]
) -> None:
    rows = [measurement("s", "v", batch, mean_s) for batch, mean_s in reversed(points)]
    assert mean(rows, largest).tolist() == [pytest.approx(seconds)], sentence


POINTS = st.dictionaries(st.integers(1, 40), st.floats(1e-3, 5.0), min_size=1, max_size=6)


@settings(deadline=None, max_examples=100)
@given(POINTS, st.integers(1, 64))
def test_the_mean_follows_the_contract(points: dict[int, float], largest: int) -> None:
    table = mean([measurement("s", "v", batch, mean_s) for batch, mean_s in points.items()], largest)
    assert table.shape == (1, largest)
    for n in range(1, largest + 1):
        assert table[0, n - 1] == pytest.approx(max(line(list(points.items()), n), SHORTEST_S), rel=1e-9, abs=1e-12)


@st.composite
def measured(draw: st.DrawFn) -> Measurement:
    p50_s = draw(st.floats(1e-3, 2.0))
    p95_s = p50_s + draw(st.floats(0, 2.0))
    p99_s = p95_s + draw(st.floats(0, 2.0))
    return row(1, draw(st.floats(1e-3, 3.0)), p50_s, p95_s, p99_s)


def drawn_mean_s(levels: list[float]) -> float:
    """Of a uniform draw between the levels of an even grid: the trapezoid rule."""
    return sum((a + b) / 2 for a, b in pairwise(levels)) / (len(levels) - 1)


@settings(deadline=None, max_examples=100)
@given(measured())
def test_draws_have_the_measured_percentiles_and_where_possible_the_measured_mean(each: Measurement) -> None:
    levels = quantiles([each], 1)[:, 0].tolist()
    assert [levels[50], levels[95], levels[99]] == pytest.approx([each.latency_s(p) for p in ("50", "95", "99")])
    assert levels == sorted(levels)
    assert levels[0] >= SHORTEST_S
    if SHORTEST_S < levels[0] < levels[50]:
        assert drawn_mean_s(levels) == pytest.approx(each.latency_mean_s)
    elif levels[0] == levels[50]:  # the mean is above what these percentiles allow
        assert drawn_mean_s(levels) <= each.latency_mean_s + 1e-9
    else:
        assert drawn_mean_s(levels) >= each.latency_mean_s - 1e-9


def test_every_level_is_linear_between_batches_and_levels_never_cross() -> None:
    rows = [row(1, 0.010, 0.010, 0.012, 0.013), row(4, 0.040, 0.040, 0.041, 0.042)]
    table = quantiles(rows, 8)
    assert table.shape == (len(LEVELS), 8)
    assert table[50, :5].tolist() == pytest.approx([0.010, 0.020, 0.030, 0.040, 0.050])
    assert table[99, :4].tolist() == pytest.approx([line([(1, 0.013), (4, 0.042)], n) for n in range(1, 5)])
    assert (np.diff(table, axis=0) >= 0).all()  # batch 8 extended: p99 would come to lie below p50


@pytest.mark.parametrize("missing", ["latency_p50_s", "latency_p95_s", "latency_p99_s"])
def test_quantiles_need_all_three_percentiles(missing: str) -> None:
    whole = row(2, 0.01, 0.01, 0.02, 0.03)
    with pytest.raises(UsageError, match="s/v at batch 2: simulated quantiles need p50, p95 and p99, measured"):
        quantiles([replace(whole, **{missing: None})], 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_takes_longer_than_nothing_at_every_batch(name: str) -> None:
    rows = [row(2, 0.001, 0.001, 0.002, 0.003), row(3, 0.1, 0.1, 0.2, 0.3)]
    assert (SERVICES[name](rows, 64) >= SHORTEST_S).all()
