"""Numbers as people copy them: few digits, rounded to the side on which they still hold."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context

# The last digits of a sum are noise, and a limit holds with more tolerance than this.
_NOISE = 1e-12


def rounded_up(value: float, digits: int) -> str:
    """A ceiling that is met at `value`, with so many significant digits at most."""
    return _shown(value - _NOISE * abs(value), Context(prec=digits, rounding=ROUND_CEILING))


def rounded_down(value: float, digits: int) -> str:
    """A floor that is met at `value`, with so many significant digits at most."""
    return _shown(value + _NOISE * abs(value), Context(prec=digits, rounding=ROUND_FLOOR))


def _shown(value: float, context: Context) -> str:
    return f"{context.create_decimal_from_float(value).normalize():f}"
