"""Rounded numbers still hold as the limit they are copied into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.options import TOLERANCE
from ipa.rounding import rounded_down, rounded_up


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [
        (0.1 + 0.2, "0.3", "0.3"),
        (347.31, "347.4", "347.3"),
        (18.0, "18", "18"),
        (0.0, "0", "0"),
        (12345.6, "12350", "12340"),
        (0.70 * 0.95, "0.665", "0.665"),
        (2.0 / 3, "0.6667", "0.6666"),
    ],
)
def test_to_four_digits(value: float, up: str, down: str) -> None:
    assert (rounded_up(value, 4), rounded_down(value, 4)) == (up, down)


@given(value=st.floats(1e-6, 500.0))
def test_a_limit_that_is_copied_holds(value: float) -> None:
    assert value <= float(rounded_up(value, 4)) + TOLERANCE
    assert value >= float(rounded_down(value, 4)) - TOLERANCE
