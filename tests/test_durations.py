"""Durations: a number and a unit, and nothing else."""

from __future__ import annotations

import pytest

from ipa.durations import parse_duration_s, positive_duration_s
from ipa.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("600ms", 0.6), ("6.89s", 6.89), ("2m", 120.0), ("0s", 0.0), (".5s", 0.5), ("10us", 1e-5), ("1e3s", 1e3)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["600", 600, "6,89s", "-1s", "1 s", "s", "infs", None, "1d"])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration: write a number and a unit"):
        parse_duration_s(value)


def test_on_a_command_line_the_option_is_named() -> None:
    assert positive_duration_s("--interval", "2m") == 120.0
    with pytest.raises(UsageError, match="--interval: '10' is not a duration"):
        positive_duration_s("--interval", "10")
    with pytest.raises(UsageError, match="--interval: 0s must be longer than 0"):
        positive_duration_s("--interval", "0s")
