"""One document on stdout, as JSON, YAML or a table for people; everything else a command says goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal

Output = Literal["table", "json", "yaml"]


def emit(
    document: Mapping[str, Any], output: str, table: Callable[[], None], csv: Callable[[], None] | None = None
) -> None:
    """Write the document in the asked form; `table` prints the form for people. Non-finite numbers are null.

    `csv` prints that form, for documents that are a list of rows; see write_csv.
    """
    if output == "json":
        sys.stdout.write(json.dumps(finite(document), indent=2) + "\n")
    elif output == "yaml":
        import yaml

        sys.stdout.write(yaml.safe_dump(finite(document), sort_keys=False, allow_unicode=True))
    elif output == "csv" and csv is not None:
        csv()
    else:
        table()


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A header and a line a row; true and false as in JSON, nothing for None and for what is not finite."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [finite(row[name]) for name in columns]
        writer.writerow([str(cell).lower() if isinstance(cell, bool) else cell for cell in cells])


def finite(value: Any) -> Any:
    """The same document with None for every number that JSON cannot hold."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
