"""The chart in the terminal: marks where the points are, and the ends of both axes."""

from __future__ import annotations

from ipa.report.scatter import HEIGHT, WIDTH, scatter


def test_the_corners_hold_the_ends_of_the_axes() -> None:
    lines = scatter([(2, 0.5, "o"), (9, 0.75, "K")], "cores", "accuracy").splitlines()
    assert lines[0] == "accuracy"
    assert lines[1] == "0.7500 ┤" + " " * (WIDTH - 1) + "K"
    assert lines[HEIGHT] == "0.5000 ┤o"
    assert lines[-1].split() == ["2", "cores", "9"]


def test_a_later_point_covers_an_earlier_one_in_the_same_cell() -> None:
    drawn = scatter([(0, 0, "o"), (1, 1, "o"), (0, 0, "C")], "x", "y")
    assert (drawn.count("o"), drawn.count("C")) == (1, 1)


def test_equal_values_lie_in_the_middle_and_nothing_draws_nothing() -> None:
    assert scatter([(3, 0.5, "o")], "x", "y").splitlines()[1 + HEIGHT // 2 - 1].endswith("o")
    assert scatter([], "x", "y") == ""
