"""Limits and rates in people's units: milliseconds, cores, points. A limit is rounded to the side on which it holds."""

from __future__ import annotations

from ipa.rounding import rounded_down, rounded_up

DIGITS = 4
RATE_DIGITS = 6
FLOORS = ("limits.accuracy", "limits.score")
COUNTS = ("limits.cores", "limits.replicas")


def as_set(limit: str, value: float) -> float | int:
    """A bound as the config takes it: whole numbers of replicas are written without a point."""
    return int(value) if limit == "limits.replicas" else value


def amount(limit: str, value: float) -> str:
    """A value of the limited quantity, by the limit's key; as a limit it is met by that value."""
    if limit == "slo.latency":
        return f"{rounded_up(1e3 * value, DIGITS)} ms"
    if limit in FLOORS:
        return rounded_down(value, DIGITS)
    return f"{value:.15g}" if _counts(limit) else rounded_up(value, DIGITS)


def bound(limit: str, value: float) -> str:
    """A bound as it was set."""
    return f"{1e3 * value:.10g} ms" if limit == "slo.latency" else f"{value:.10g}"


def difference(limit: str, change: float) -> str:
    """How far a limit is relaxed, with its sign; not less than that far."""
    if limit == "slo.latency":
        return f"+{rounded_up(1e3 * change, DIGITS)} ms"
    if limit in FLOORS:
        points = rounded_up(-1e2 * change, DIGITS)
        return f"−{points} point{'s' * (points != '1')}"
    return f"{change:+.15g}" if _counts(limit) else f"+{rounded_up(change, DIGITS)} per hour"


def rate(value_rps: float) -> str:
    """A largest rate, rounded down."""
    return f"{rounded_down(value_rps, RATE_DIGITS)} requests/s"


def _counts(limit: str) -> bool:
    return limit in COUNTS or limit.startswith("hardware.")
