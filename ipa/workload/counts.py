"""Counts per second, out of text and into slices."""

from __future__ import annotations

import csv

import numpy as np
from numpy.typing import NDArray

from ipa.errors import UsageError
from ipa.workload.expression import FileTerm

COUNT_COLUMNS = ("count", "counts", "requests")
LARGEST_COUNT = 10**9

Counts = NDArray[np.int64]


def from_text(text: str, source: str) -> Counts:
    """Counts separated by spaces or newlines. Raises UsageError: empty, or a count that is no whole number ≥ 0."""
    return _counts(text.split(), source)


def from_csv(text: str, source: str) -> Counts:
    """One row, one column, or the column `count`, `counts` or `requests` of a headed table. Raises UsageError."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if any(map(str.strip, row))]
    if rows and not all(_is_number(cell) for cell in rows[0]):
        column = _count_column(rows[0], source)
        return _counts([row[column] if column < len(row) else "" for row in rows[1:]], source)
    if len(rows) > 1 and any(len(row) > 1 for row in rows):
        raise UsageError(f"{source}: several columns need a header, one of them {' or '.join(COUNT_COLUMNS)}")
    return _counts([cell for row in rows for cell in row], source)


def select(counts: Counts, term: FileTerm) -> Counts:
    """Seconds START to END (excluded) of `counts`, each integer-divided. Raises UsageError past the end."""
    end = len(counts) if term.end is None else term.end
    if end > len(counts):
        raise UsageError(f"{term.where}: END {end} is beyond the {len(counts)} seconds of {term.path}")
    return counts[term.start : end] // term.damping


def _count_column(header: list[str], source: str) -> int:
    if len(header) == 1:
        return 0
    found = [at for at, name in enumerate(header) if name.lower() in COUNT_COLUMNS]
    if len(found) != 1:
        raise UsageError(f"{source}: exactly one column of {header} must be named {' or '.join(COUNT_COLUMNS)}")
    return found[0]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _counts(cells: list[str], source: str) -> Counts:
    if not cells:
        raise UsageError(f"{source}: holds no counts; at least one second is needed")
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        at = next(at for at, cell in enumerate(cells) if not _is_number(cell))
        raise UsageError(f"{source}: second {at}: {cells[at][:40]!r} is not a number") from None
    good = (values >= 0) & (values <= LARGEST_COUNT) & (np.floor(values) == values)
    if not good.all():  # NaN fails every comparison
        at = int(np.argmin(good))
        raise UsageError(f"{source}: second {at}: count {cells[at]} must be a whole number, 0…{LARGEST_COUNT:,}")
    return values.astype(np.int64)
