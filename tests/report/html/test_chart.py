"""Curves: every value in its place, inside the box."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.report.html.bins import Points
from ipa.report.html.chart import Chart, Curve, Drawing, Limit, Style, draw, time_ticks

STYLES: tuple[Style, ...] = ("line", "faint", "steps", "area")


def drawn(points: Points, style: Style = "line", limit: float | None = None, floor: float | None = 0.0) -> Drawing:
    mark = Limit(limit, "SLO") if limit is not None else None
    return draw(Chart("k", "t", "rps", (Curve("c", points, "p0", style),), limit=mark, floor=floor), 100.0)


def test_a_line_goes_from_point_to_point() -> None:
    assert drawn(((0.0, 0.0), (50.0, 4.0), (100.0, 2.0))).paths == ("M0.0 100.0L500.0 0.0L1000.0 50.0",)


def test_steps_hold_to_the_end_of_the_run() -> None:
    assert drawn(((0.0, 4.0), (50.0, 2.0)), "steps").paths == ("M0.0 0.0H500.0V50.0H1000.0",)


def test_an_unknown_value_breaks_the_curve_and_a_lone_point_is_a_dot() -> None:
    assert drawn(((0.0, 4.0), (50.0, None), (100.0, 4.0))).paths == ("M0.0 0.0h0M1000.0 0.0h0",)


def test_an_area_stands_on_the_bottom() -> None:
    assert drawn(((0.0, 4.0), (100.0, 4.0)), "area").paths == ("M0.0 0.0H1000.0V100H0.0Z",)


def test_the_limit_is_inside_the_box_even_if_nothing_comes_near() -> None:
    found = drawn(((0.0, 0.1),), limit=6.89)
    assert found.limit_at is not None
    assert 0 < found.limit_at < 100


def test_ticks_are_round_and_named_in_their_unit() -> None:
    assert [tick.label for tick in drawn(((0.0, 37.0),)).ticks] == ["0", "10", "20", "30", "40"]


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-12, 0.5, 1.0, 1e11])
def test_a_value_that_never_changes_has_room_around_it(value: float) -> None:
    found = drawn(((0.0, value), (100.0, value)), floor=None)
    assert 2 <= len(found.ticks) <= 7
    assert found.paths[0].startswith("M0.0 ")


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.floats(0, 100), st.none() | st.floats(0, 1e12)), max_size=20),
    st.sampled_from(STYLES),
    st.sampled_from([None, 0.0]),
)
def test_every_curve_stays_in_the_box_and_the_ticks_are_few(
    points: list[tuple[float, float | None]], style: Style, floor: float | None
) -> None:
    found = drawn(tuple(sorted(points, key=lambda p: p[0])), style, floor=floor)
    assert 2 <= len(found.ticks) <= 7
    assert all(-1e-6 <= tick.at <= 100 + 1e-6 for tick in found.ticks)
    for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", found.paths[0]):
        assert 0 <= float(x) <= 1000
        assert -0.1 <= float(y) <= 100.1
    assert "nan" not in found.paths[0]


@pytest.mark.parametrize("duration_s", [0.0, 1.0, 7.0, 60.0, 1200.0, 86_400.0, 9e6])
def test_times_are_few_and_inside(duration_s: float) -> None:
    for start in (None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)):
        ticks = time_ticks(duration_s, start)
        assert len(ticks) <= 9
        assert all(0 <= tick.at <= 100 for tick in ticks)


def test_times_of_the_day_are_round() -> None:
    ticks = time_ticks(1200, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert [tick.label for tick in ticks] == ["03:05:00", "03:10:00", "03:15:00", "03:20:00"]
