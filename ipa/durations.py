"""Durations as people write them: a number and a unit."""

from __future__ import annotations

import re

from ipa.errors import UsageError

_DURATION = re.compile(r"(?P<number>(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?)(?P<unit>us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration_s(value: object) -> float:
    """`600ms`, `6.89s`, `2m` → seconds. Raises ValueError: a bare number has no unit and is refused."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write a number and a unit, as in 600ms, 6.89s or 2m")
    return float(match["number"]) * _SECONDS[match["unit"]]


def duration_s(where: str, text: str) -> float:
    """The same for a command line, 0 or longer. Raises UsageError naming `where`."""
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def positive_duration_s(where: str, text: str) -> float:
    """The same for a command line. Raises UsageError naming `where` unless it is longer than 0."""
    seconds = duration_s(where, text)
    if seconds <= 0:
        raise UsageError(f"{where}: {text} must be longer than 0")
    return seconds
