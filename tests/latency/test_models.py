"""One contract for every latency model of the registry, and what sets each apart."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.latency import MODELS, Points, Unfit, quality

MEASURED = (1, 2, 4, 8, 16, 32, 64)

CURVES: dict[str, Callable[[int, float, float, float], float]] = {
    "table": lambda b, fixed, each, square: fixed + each * b + square * b * b,
    "linear": lambda b, fixed, each, square: fixed + each * b,
    "quadratic": lambda b, fixed, each, square: fixed + each * b + square * b * b,
}
"""The family each model holds exactly."""

fixed_s = st.floats(1e-4, 1.0)
each_s = st.floats(0.0, 0.1)
square_s = st.floats(0.0, 1e-3)


def points_on(name: str, fixed: float, each: float, square: float) -> Points:
    return tuple((b, CURVES[name](b, fixed, each, square)) for b in MEASURED)


def test_every_model_has_a_family_here() -> None:
    assert set(MODELS) == set(CURVES)


@pytest.mark.parametrize("name", MODELS)
@given(fixed=fixed_s, each=each_s, square=square_s)
def test_noiseless_points_are_recovered(name: str, fixed: float, each: float, square: float) -> None:
    points = points_on(name, fixed, each, square)
    model = MODELS[name](points)
    for batch, latency_s in points:
        assert model.latency_s(batch) == pytest.approx(latency_s, rel=1e-9)
    r2, worst = quality(model, points)
    assert worst <= 1e-9
    assert r2 == pytest.approx(1.0)


@pytest.mark.parametrize("name", MODELS)
@given(fixed=fixed_s, each=each_s, square=square_s)
def test_batches_ascend_and_latency_never_falls(name: str, fixed: float, each: float, square: float) -> None:
    model = MODELS[name](points_on(name, fixed, each, square))
    assert model.batches == tuple(sorted(set(model.batches)))
    assert set(MEASURED) <= set(model.batches)
    prices = [model.latency_s(batch) for batch in model.batches]
    assert all(later >= earlier * (1 - 1e-9) for earlier, later in pairwise(prices))


@pytest.mark.parametrize("name", MODELS)
@given(fixed=fixed_s, each=each_s, square=square_s, noise=st.lists(st.floats(0.9, 1.1), min_size=7, max_size=7))
def test_the_unit_does_not_matter(name: str, fixed: float, each: float, square: float, noise: list[float]) -> None:
    """The same points in ms are priced at 1000 times the seconds, and refused if the seconds are."""
    seconds = tuple(
        (b, latency * factor) for (b, latency), factor in zip(points_on(name, fixed, each, square), noise, strict=True)
    )
    milliseconds = tuple((b, latency * 1000) for b, latency in seconds)
    try:
        in_s = MODELS[name](seconds)
        in_ms = MODELS[name](milliseconds)
    except Unfit:
        return  # a curve that falls by about the rounding limit may be refused in one unit alone
    for batch in in_s.batches:
        assert in_ms.latency_s(batch) == pytest.approx(1000 * in_s.latency_s(batch), rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_points_may_come_in_any_order(name: str) -> None:
    points = points_on(name, 0.01, 0.002, 1e-5)
    forward, backward = MODELS[name](points), MODELS[name](points[::-1])
    assert forward.batches == backward.batches
    assert forward.latency_s(8) == pytest.approx(backward.latency_s(8), rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan")])
def test_a_latency_must_be_positive(name: str, bad: float) -> None:
    with pytest.raises(Unfit, match="latencies > 0"):
        MODELS[name](((1, 0.1), (2, bad), (4, 0.3)))


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_below_one_has_no_price(name: str) -> None:
    with pytest.raises(Unfit, match="batch 0"):
        MODELS[name](points_on(name, 0.01, 0.002, 1e-5)).latency_s(0)


@pytest.mark.parametrize(("name", "needed"), [("table", 1), ("linear", 2), ("quadratic", 3)])
def test_too_few_batches_are_refused(name: str, needed: int) -> None:
    enough = points_on(name, 0.01, 0.002, 1e-5)[:needed]
    MODELS[name](enough)
    with pytest.raises(Unfit, match=f"{name}: {needed - 1} .*at least {needed}"):
        MODELS[name](enough[:-1])


def test_a_table_prices_only_what_was_measured() -> None:
    model = MODELS["table"](((1, 0.1), (4, 0.3)))
    assert model.batches == (1, 4)
    with pytest.raises(Unfit, match=r"batch 2 was not measured; measured are \[1, 4\]"):
        model.latency_s(2)


def test_a_table_keeps_a_fall_that_was_measured() -> None:
    """resnet34 on 2 cores took .555 s at batch 32 and .487 s at 64 in the paper's own profile."""
    assert MODELS["table"](((32, 0.555), (64, 0.487))).latency_s(64) == 0.487


def test_a_table_refuses_two_latencies_for_one_batch() -> None:
    with pytest.raises(Unfit, match="batch 4 has more than one"):
        MODELS["table"](((1, 0.1), (4, 0.3), (4, 0.4)))


@pytest.mark.parametrize("name", ["linear", "quadratic"])
def test_a_falling_curve_is_refused(name: str) -> None:
    with pytest.raises(Unfit, match="falls from"):
        MODELS[name](((1, 0.4), (2, 0.3), (4, 0.1)))


def test_a_curve_below_zero_is_refused() -> None:
    with pytest.raises(Unfit, match=r"at batch 1 is -0\.\d+ s; it must be > 0"):
        MODELS["linear"](((2, 0.01), (3, 1.0)))


def test_a_fitted_model_prices_batches_nobody_measured() -> None:
    model = MODELS["linear"](((1, 0.012), (4, 0.018)))
    assert model.batches == (1, 2, 3, 4)
    assert model.latency_s(3) == pytest.approx(0.016)
    assert model.latency_s(100) == pytest.approx(0.21)


def test_a_concave_curve_is_not_extrapolated_past_its_top() -> None:
    model = MODELS["quadratic"](tuple((b, 0.1 + 0.02 * b - 0.0005 * b * b) for b in (1, 8, 16)))
    assert model.latency_s(20) == pytest.approx(0.3)
    with pytest.raises(Unfit, match="falls from"):
        model.latency_s(32)


def test_the_fit_minimises_relative_error() -> None:
    """Oracle: no neighbour of the fitted coefficients has a smaller sum of squared relative errors."""
    points = ((1, 0.010), (2, 0.013), (8, 0.031), (64, 0.260))
    model = MODELS["linear"](points)
    fixed = 2 * model.latency_s(1) - model.latency_s(2)
    each = model.latency_s(2) - model.latency_s(1)

    def loss(fixed: float, each: float) -> float:
        return sum(((fixed + each * b - latency) / latency) ** 2 for b, latency in points)

    for step in (1e-5, -1e-5):
        assert loss(fixed, each) < loss(fixed + step, each)
        assert loss(fixed, each) < loss(fixed, each + step)
