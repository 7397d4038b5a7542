"""Points in a terminal: a plain text chart that a pipe, a log and a README keep as it is."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 72, 14


def scatter(points: Sequence[tuple[float, float, str]], x_label: str, y_label: str) -> str:
    """(x, y, mark) → lines of text. Points that share a cell show the last one's mark; [] gives an empty text."""
    if not points:
        return ""
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    cells = [[" "] * WIDTH for _ in range(HEIGHT)]
    for x, y, mark in points:
        cells[HEIGHT - 1 - _cell(y, ys, HEIGHT)][_cell(x, xs, WIDTH)] = mark
    labels = {0: f"{max(ys):.4f}", HEIGHT - 1: f"{min(ys):.4f}"}
    margin = max(len(label) for label in labels.values())
    lines = [f"{labels.get(i, ''):>{margin}} ┤{''.join(row).rstrip()}" for i, row in enumerate(cells)]
    low, high = f"{min(xs):.6g}", f"{max(xs):.6g}"
    axis = f"{low}{x_label:^{WIDTH - len(low) - len(high)}}{high}"
    return "\n".join([y_label, *lines, " " * margin + " └" + "─" * WIDTH, " " * (margin + 2) + axis])


def _cell(value: float, among: Sequence[float], cells: int) -> int:
    """Where a value lies in 0…cells − 1; in the middle if all are equal."""
    low, high = min(among), max(among)
    return round((value - low) / (high - low) * (cells - 1)) if high > low else cells // 2
