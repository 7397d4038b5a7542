"""The two CSV files of a profile as `ipa profile` rewrites them: unknown columns and foreign rows stay as they are."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ipa.config import MeasurementRow, parse_rows
from ipa.domain import Config, Measurement
from ipa.errors import UsageError

MEASUREMENT_COLUMNS = (
    "stage",
    "variant",
    "hardware",
    "cores",
    "batch",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "latency_p99_s",
    "throughput_rps",
    "requests",
    "source",
)
KEY_COLUMNS = MEASUREMENT_COLUMNS[:5]
VARIANT_COLUMNS = ("stage", "variant", "memory_mb", "load_s")  # those that are read or written here

PointKey: TypeAlias = tuple[str, str, str, int, int]
"""(stage, variant, hardware, cores, batch): what may not repeat in measurements.csv."""


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file as text cells; nothing is interpreted that need not be."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...] = ()


def read_measurements(path: Path) -> Table:
    """measurements.csv; without rows if there is no such file yet. Raises UsageError for a broken one."""
    if not path.exists():
        return Table(MEASUREMENT_COLUMNS)
    table = _read(path, MEASUREMENT_COLUMNS)
    for line, row in enumerate(table.rows, start=2):
        for column in ("cores", "batch"):
            if not row[column].isdecimal():
                raise UsageError(f"{path}, row {line}: {column} is {row[column]!r}, not a whole number")
    return table


def all_measurements(config: Config) -> tuple[Measurement, ...]:
    """Every row of a checked config's variants, at any batch: `batches` limits plans, not what a curve may rest on."""
    path = config.profiles / "measurements.csv"
    rows, _ = parse_rows(path.read_text(encoding="utf-8-sig"), MeasurementRow, KEY_COLUMNS, str(path))
    known = {(s.name, v.name, h) for s in config.pipeline.stages for v in s.variants for h in s.hardware}
    return tuple(Measurement(**row.model_dump()) for row in rows if (row.stage, row.variant, row.hardware) in known)


def read_variants(path: Path) -> Table:
    """variants.csv. Raises UsageError if it cannot be read or lacks a column."""
    return _read(path, VARIANT_COLUMNS)


def write_table(path: Path, table: Table) -> None:
    """Replace `path` in one step: a reader, or a run cut short, sees the old file or the new one, never a part."""
    text = io.StringIO()
    writer = csv.DictWriter(text, table.columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.rows)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def key_of(row: Mapping[str, str]) -> PointKey:
    return row["stage"], row["variant"], row["hardware"], int(row["cores"]), int(row["batch"])


def with_measurement(table: Table, measurement: Measurement) -> Table:
    """`table` with the measurement in place of the row of the same key, or added; rows sorted by key."""
    cells = _cells(measurement)
    key = key_of(cells)
    rows = {key_of(row): row for row in table.rows}
    rows[key] = {**rows.get(key, {}), **cells}
    return Table(table.columns, tuple(rows[key] for key in sorted(rows)))


def with_start(table: Table, stage: str, variant: str, memory_mb: float, load_s: float) -> Table:
    """`table` with what starting the variant's server took; all other cells and the order as before."""
    start = {"memory_mb": f"{memory_mb:.1f}", "load_s": f"{load_s:.3f}"}
    return Table(
        table.columns,
        tuple({**row, **start} if (row["stage"], row["variant"]) == (stage, variant) else row for row in table.rows),
    )


def _read(path: Path, required: tuple[str, ...]) -> Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
        columns = tuple(reader.fieldnames or ())
        rows = list(reader)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV file in UTF-8: {error}") from error
    missing = [column for column in required if column not in columns]
    if missing:
        raise UsageError(f"{path}: missing column(s) {', '.join(missing)}")
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise UsageError(f"{path}, row {line}: does not have the {len(columns)} cells of the header")
    return Table(columns, tuple({name: cell.strip() for name, cell in row.items()} for row in rows))


def _cells(m: Measurement) -> dict[str, str]:
    return {
        "stage": m.stage,
        "variant": m.variant,
        "hardware": m.hardware,
        "cores": str(m.cores),
        "batch": str(m.batch),
        "latency_mean_s": _number(m.latency_mean_s),
        "latency_p50_s": _number(m.latency_p50_s),
        "latency_p95_s": _number(m.latency_p95_s),
        "latency_p99_s": _number(m.latency_p99_s),
        "throughput_rps": _number(m.throughput_rps),
        "requests": "" if m.requests is None else str(m.requests),
        "source": m.source,
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
