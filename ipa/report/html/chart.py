"""Curves as SVG paths in a box that the page stretches: 1000 wide, 100 high, whatever the screen.

Text is no part of it: labels are HTML at the shares of the box given here, so they keep their size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import ceil, floor, log10
from typing import Literal

from ipa.report.html import quantities
from ipa.report.html.bins import WIDTHS_S, Points

WIDTH, HEIGHT = 1000.0, 100.0
MOST_TICKS = 8
_STEPS_S = (*WIDTHS_S, 7200, 10800, 21600, 43200, 86400)

Unit = Literal["rps", "s", "share", "cores"]
Style = Literal["line", "faint", "steps", "area"]


@dataclass(frozen=True, slots=True)
class Curve:
    """`colour` names a colour of the style sheet; `policy`: which policy's it is, None of all."""

    label: str
    points: Points
    colour: str
    style: Style = "line"
    policy: int | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    key: str
    title: str
    unit: Unit
    curves: tuple[Curve, ...]
    hint: str = ""
    limit: Limit | None = None
    floor: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """`at`: share of the box in %, from its left or its bottom."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with every mark in its place: `paths` by curve, `limit_at` the line's height in %."""

    chart: Chart
    paths: tuple[str, ...]
    ticks: tuple[Tick, ...]
    limit_at: float | None


def draw(chart: Chart, duration_s: float) -> Drawing:
    low, high, step = _range(chart)
    box = _Box(duration_s or 1.0, low, high)
    ticks = tuple(Tick(box.up(value), text(chart.unit, value)) for value in _multiples(low, high, step))
    paths = tuple(box.path(curve) for curve in chart.curves)
    return Drawing(chart, paths, ticks, box.up(chart.limit.value) if chart.limit else None)


def time_ticks(duration_s: float, start: datetime | None) -> tuple[Tick, ...]:
    """At round times of the day if the run had one, else at round times from its start."""
    step_s = next((s for s in _STEPS_S if duration_s <= s * MOST_TICKS), ceil(duration_s / MOST_TICKS / 86400) * 86400)
    midnight_s = start.hour * 3600 + start.minute * 60 + start.second + start.microsecond / 1e6 if start else 0.0
    first_s = -midnight_s % step_s
    times = [first_s + step_s * i for i in range(floor((duration_s - first_s) / step_s + 1e-9) + 1)]
    return tuple(Tick(100 * at_s / (duration_s or 1.0), quantities.moment(at_s, start)) for at_s in times)


def text(unit: Unit, value: float) -> str:
    if unit == "s":
        return quantities.latency(value) if value else "0"
    return f"{100 * value:.4g} %" if unit == "share" else f"{value:,.4g}"


def _range(chart: Chart) -> tuple[float, float, float]:
    """(bottom, top, step of the ticks): round numbers that hold every value, and the limit with room above it."""
    values = [value for curve in chart.curves for _, value in curve.points if value is not None]
    if chart.limit is not None:
        values.append(1.05 * chart.limit.value)
    high = max(values, default=1.0)
    low = min(values, default=0.0) if chart.floor is None else chart.floor
    if high - low <= 1e-9 * max(1.0, abs(high)):  # one value: in the middle, or well above the floor
        room = 0.05 * (abs(high) if abs(high) > 1e-9 else 1.0)
        high, low = high + room, (low - room if chart.floor is None else low)
    step = _round_step((high - low) / 4)
    low = floor(low / step + 1e-9) * step
    high = ceil(high / step - 1e-9) * step
    return low, min(high, 1.0) if chart.unit == "share" and low < 1.0 else high, step


def _round_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [low + step * i for i in range(floor((high - low) / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class _Box:
    duration_s: float
    low: float
    high: float

    def x(self, at_s: float) -> float:
        return WIDTH * min(max(at_s / self.duration_s, 0.0), 1.0)

    def up(self, value: float) -> float:
        return 100 * (value - self.low) / (self.high - self.low)

    def y(self, value: float) -> float:
        return HEIGHT * (1 - self.up(value) / 100)

    def path(self, curve: Curve) -> str:
        return "".join(self._piece(piece, curve.style) for piece in _unbroken(curve.points, self.duration_s, curve))

    def _piece(self, piece: Sequence[tuple[float, float]], style: Style) -> str:
        places = [(self.x(at_s), self.y(value)) for at_s, value in piece]
        x, y = places[0]
        # a point alone is drawn too: a line of no length has round ends
        drawn = f"M{x:.1f} {y:.1f}h0" if len(places) == 1 else f"M{x:.1f} {y:.1f}"
        for (_, before), (to_x, to_y) in pairwise(places):
            level = style == "steps" or abs(to_y - before) < 0.05
            drawn += f"H{to_x:.1f}" if level else f"L{to_x:.1f} {to_y:.1f}"
            if style == "steps" and abs(to_y - before) >= 0.05:
                drawn += f"V{to_y:.1f}"
        return drawn if style != "area" else f"{drawn}V{HEIGHT:g}H{x:.1f}Z"


def _unbroken(points: Points, end_s: float, curve: Curve) -> Iterator[list[tuple[float, float]]]:
    """The stretches without a None. Steps hold until the next point, or the end of the run."""
    piece: list[tuple[float, float]] = []
    for at_s, value in points:
        if value is not None:
            piece.append((at_s, value))
        elif piece:
            yield [*piece, (at_s, piece[-1][1])] if curve.style == "steps" else piece
            piece = []
    if piece:
        yield [*piece, (max(end_s, piece[-1][0]), piece[-1][1])] if curve.style == "steps" else piece
