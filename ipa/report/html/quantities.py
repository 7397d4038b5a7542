"""Quantities as the page writes them: latencies in ms or s, shares in %, times from the start or of the day."""

from __future__ import annotations

from datetime import datetime, timedelta

NONE = "–"


def latency(value_s: float | None) -> str:
    """Four digits are enough to compare; below a second in ms."""
    if value_s is None:
        return NONE
    return f"{value_s:.4g} s" if value_s >= 1 else f"{1000 * value_s:.4g} ms"


def share(value: float | None) -> str:
    """A part of 1 in %; what is not all is never rounded to 100 %."""
    if value is None:
        return NONE
    text = f"{100 * value:.2f}"
    return f"{'99.99' if text == '100.00' and value < 1 else text.removesuffix('.00')} %"


def number(value: float | None, digits: int = 4) -> str:
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}" if abs(value) < 1e4 else f"{value:,.0f}"


def span(value_s: float) -> str:
    """A duration in the two largest units that it has."""
    whole = round(value_s)
    if whole < 60:
        return f"{value_s:.3g} s"
    hours, rest = divmod(whole, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def moment(at_s: float, start: datetime | None) -> str:
    """The time of the day, on a later one with the days since, if the run had one; else the time from its start."""
    if start is not None:
        then = start + timedelta(seconds=at_s)
        days = (then.date() - start.date()).days
        return (f"+{days}d " if days else "") + then.strftime("%H:%M:%S")
    minutes, seconds = divmod(int(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
