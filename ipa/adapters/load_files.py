"""What a load leaves on the disk: its seconds as a .csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from ipa.adapters.trace_files import write_text
from ipa.errors import UsageError
from ipa.workload.per_second import Second


def check_per_second_file(file: Path) -> None:
    """Raises UsageError, before any load is sent, for a wrong ending or a missing folder."""
    if file.suffix.lower() != ".csv":
        raise UsageError(f"--per-second {file}: the ending {file.suffix!r} is not .csv")
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"--per-second {file}: must be a file in a folder that exists")


def write_per_second(file: Path, seconds: Sequence[Second]) -> None:
    """A header and one row a second; unknown is an empty cell. Replaces the file. Raises UsageError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Second))
    writer.writerows(asdict(second).values() for second in seconds)
    write_text(file, text.getvalue())
