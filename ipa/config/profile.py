"""variants.csv and measurements.csv: text → typed rows, every broken cell named by line and column."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ipa.config.schema import Fraction, Name, NonNegative, Positive, violations
from ipa.errors import Violation


def _none_if_empty(cell: object) -> object:
    return None if cell == "" else cell


OptionalPositive = Annotated[Positive | None, BeforeValidator(_none_if_empty)]
OptionalNonNegative = Annotated[NonNegative | None, BeforeValidator(_none_if_empty)]
PositiveInt = Annotated[int, Field(ge=1)]
OptionalPositiveInt = Annotated[PositiveInt | None, BeforeValidator(_none_if_empty)]


class Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


class VariantRow(Row):
    stage: Name
    variant: Name
    accuracy: Fraction
    metric: str
    memory_mb: OptionalNonNegative
    load_s: OptionalNonNegative
    source: str
    base_cores: OptionalPositiveInt = None


class MeasurementRow(Row):
    stage: Name
    variant: Name
    hardware: Name
    cores: PositiveInt
    batch: PositiveInt
    latency_mean_s: Positive
    latency_p50_s: OptionalPositive
    latency_p95_s: OptionalPositive
    latency_p99_s: OptionalPositive
    throughput_rps: OptionalPositive
    requests: OptionalNonNegative
    source: str


RowType = TypeVar("RowType", VariantRow, MeasurementRow)


def parse_rows(
    text: str, row_type: type[RowType], key: tuple[str, ...], source: str
) -> tuple[list[RowType], list[Violation]]:
    """The rows of a CSV and everything wrong with it; `key` names the columns that may not repeat together."""
    reader = csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
    required = [name for name, field in row_type.model_fields.items() if field.is_required()]
    missing = [name for name in required if name not in (reader.fieldnames or ())]
    if missing:
        return [], [Violation(source, f"missing column(s) {', '.join(missing)}")]
    rows: list[RowType] = []
    problems: list[Violation] = []
    seen: dict[tuple[Any, ...], int] = {}
    try:
        for cells in reader:
            line = reader.line_num
            try:
                row = row_type.model_validate({k: v for k, v in cells.items() if k is not None and v is not None})
            except ValidationError as error:
                problems += violations(error, f"{source} line {line}, ")
                continue
            identity = tuple(getattr(row, column) for column in key)
            if identity in seen:
                problems.append(
                    Violation(
                        f"{source} line {line}",
                        f"repeats {' / '.join(map(str, identity))} of line {seen[identity]}",
                    )
                )
            seen.setdefault(identity, line)
            rows.append(row)
    except csv.Error as error:
        problems.append(Violation(f"{source} line {reader.line_num}", f"not valid CSV: {error}"))
    return rows, problems
