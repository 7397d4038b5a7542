"""A table as a value, and its three forms: CSV with every digit, Markdown, and the terminal's."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Column:
    """`shown`: the format of its numbers, as in `.2%`; empty for text."""

    title: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`name`: of its file. `note`: what a reader has to know of the columns."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""


def as_csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.title for column in table.columns)
    writer.writerows(table.rows)
    return text.getvalue()


def as_markdown(table: Table) -> str:
    head = [column.title for column in table.columns]
    rule = ["---:" if column.shown else "---" for column in table.columns]
    lines = [_line(cells) for cells in (head, rule, *_texts(table))]
    return "\n".join([f"### {table.title}", "", *lines, "", *([table.note, ""] if table.note else [])])


def for_terminal(table: Table) -> RichTable:
    from rich.table import Table as RichTable

    grid = RichTable(title=table.title, title_justify="left")
    for column in table.columns:
        grid.add_column(column.title, justify="right" if column.shown else "left")
    for texts in _texts(table):
        grid.add_row(*texts)
    return grid


def _texts(table: Table) -> list[list[str]]:
    return [[_shown(cell, c.shown) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]


def _shown(cell: Cell, form: str) -> str:
    """A dash where there is no number."""
    return "–" if isinstance(cell, float) and isnan(cell) else format(cell, form)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
