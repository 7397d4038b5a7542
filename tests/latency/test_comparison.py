from __future__ import annotations

from collections.abc import Callable

import pytest

from ipa.domain import Measurement
from ipa.latency.comparison import Fit, compare


def rows(curve: Callable[[int], float], batches: tuple[int, ...] = (1, 2, 4, 8)) -> list[Measurement]:
    return [Measurement("detect", "small", "cpu", 1, b, curve(b), latency_p99_s=2 * curve(b)) for b in batches]


def better(fits: tuple[Fit, ...]) -> list[tuple[str, str]]:
    return [(fit.latency, fit.model) for fit in fits if fit.better]


def test_every_server_is_fitted_at_the_percentile_and_the_mean() -> None:
    fits = compare(rows(lambda b: 0.01 + 0.002 * b), "99")
    assert [(f.latency, f.model) for f in fits] == [
        ("99", "linear"),
        ("99", "quadratic"),
        ("mean", "linear"),
        ("mean", "quadratic"),
    ]
    assert fits[0].curve is not None
    assert fits[0].curve.coefficients == pytest.approx((0.02, 0.004))


def test_the_mean_is_not_listed_twice() -> None:
    assert [f.latency for f in compare(rows(lambda b: 0.01 * b), "mean")] == ["mean", "mean"]


def test_a_straight_line_is_better_linear() -> None:
    assert better(compare(rows(lambda b: 0.01 + 0.002 * b), "99")) == [("99", "linear"), ("mean", "linear")]


def test_a_curve_is_better_quadratic() -> None:
    fits = compare(rows(lambda b: 0.01 + 0.001 * b * b), "99")
    assert better(fits) == [("99", "quadratic"), ("mean", "quadratic")]


def test_a_refused_model_keeps_its_reason_and_the_other_is_better() -> None:
    linear, quadratic = compare(rows(lambda b: 0.01 * b, batches=(1, 2)), "mean")
    assert linear.better
    assert quadratic.curve is None
    assert quadratic.r2 is None
    assert "at least 3 are needed" in quadratic.reason


def test_if_all_are_refused_none_is_better() -> None:
    assert not better(compare(rows(lambda b: 1 / b), "mean"))


def test_rows_without_the_percentile_are_left_out_there() -> None:
    bare = [Measurement("detect", "small", "cpu", 1, b, 0.1 * b) for b in (16, 32)]
    at_99, _, at_mean, _ = compare([*rows(lambda b: 0.1 * b), *bare], "99")
    assert [len(at_99.points), len(at_mean.points)] == [4, 6]
    assert "0 distinct batches" in compare(bare, "99")[0].reason
