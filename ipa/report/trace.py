"""`ipa trace` on the screen."""

from __future__ import annotations

from collections.abc import Mapping

from ipa.report.console import stdout_console

UNITS = {"seconds": "s", "longest_gap_s": "s", "mean_rps": "requests/s", "max_rps": "requests/s"}


def print_table(document: Mapping[str, object]) -> None:
    """One row a key, in the order of the document."""
    from rich.table import Table
    from rich.text import Text  # a path may hold what looks like markup

    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right", overflow="fold")
    for name, value in document.items():
        words = name.removesuffix("_s").removesuffix("_rps").replace("_", " ")
        table.add_row(words, Text(f"{_pretty(value)} {UNITS.get(name, '')}".rstrip()))
    stdout_console().print(table)


def _pretty(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
