from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ipa.adapters.profile_files import (
    MEASUREMENT_COLUMNS,
    read_measurements,
    read_variants,
    with_measurement,
    with_start,
    write_table,
)
from ipa.config import MeasurementRow, parse_rows
from ipa.domain import Measurement
from ipa.errors import UsageError

KEY = ("stage", "variant", "hardware", "cores", "batch")


def measurement(variant: str = "small", batch: int = 1, mean_s: float = 0.0123456789) -> Measurement:
    return Measurement(
        "detect", variant, "cpu", 1, batch, mean_s, 0.012, 0.013, 0.014, 80.5, 40, "measured@2026-01-31-x"
    )


def test_a_written_row_is_one_the_config_reads(tmp_path: Path) -> None:
    path = tmp_path / "measurements.csv"
    write_table(path, with_measurement(read_measurements(path), measurement()))
    rows, problems = parse_rows(path.read_text(), MeasurementRow, KEY, str(path))
    assert not problems
    assert [Measurement(**row.model_dump()) for row in rows] == [measurement(mean_s=0.0123457)]


def test_rows_are_sorted_by_key_with_batches_as_numbers(tmp_path: Path) -> None:
    table = read_measurements(tmp_path / "missing.csv")
    for variant, batch in (("small", 16), ("small", 2), ("large", 4)):
        table = with_measurement(table, measurement(variant, batch))
    assert [(row["variant"], row["batch"]) for row in table.rows] == [
        ("large", "4"),
        ("small", "2"),
        ("small", "16"),
    ]


def test_unknown_columns_and_other_rows_stay(tmp_path: Path) -> None:
    path = tmp_path / "measurements.csv"
    header = ",".join(("note", *MEASUREMENT_COLUMNS))
    other = "by hand,audio,s2t,gpu,8,1,0.1,,,,,,paper"
    path.write_text(f"{header}\nold,detect,small,cpu,1,1,9,9,9,9,9,9,paper\n{other}\n")
    write_table(path, with_measurement(read_measurements(path), measurement(mean_s=0.5)))
    lines = path.read_text().splitlines()
    assert lines[0] == header
    assert lines[1] == other
    assert lines[2].startswith("old,detect,small,cpu,1,1,0.5,0.012")


def test_a_new_row_leaves_unknown_columns_empty(tmp_path: Path) -> None:
    path = tmp_path / "measurements.csv"
    path.write_text(",".join((*MEASUREMENT_COLUMNS, "note")) + "\n")
    write_table(path, with_measurement(read_measurements(path), measurement()))
    assert path.read_text().splitlines()[1].endswith("measured@2026-01-31-x,")


def test_writing_leaves_no_other_file_and_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "measurements.csv"
    plain = tmp_path / "plain"
    plain.touch()
    write_table(path, read_measurements(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["measurements.csv", "plain"]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_table(tmp_path / "none" / "measurements.csv", read_measurements(tmp_path / "missing.csv"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stage,variant\n", "missing column.*hardware"),
        (",".join(MEASUREMENT_COLUMNS) + "\ndetect,small\n", "row 2: does not have the 12 cells"),
        (",".join(MEASUREMENT_COLUMNS) + "\nd,s,cpu,one,1,1,1,1,1,1,1,x\n", "row 2: cores is 'one'"),
        ('stage\n"open', "not a CSV file"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "measurements.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_measurements(path)


def test_a_start_changes_two_cells_of_one_variant(tmp_path: Path) -> None:
    path = tmp_path / "variants.csv"
    path.write_text(
        "stage,variant,accuracy,metric,memory_mb,load_s,source,colour\n"
        "detect,small,0.457,mAP@.5,1,2,paper,red\n"
        'detect,large,0.67300,"mAP, .5",,,paper,blue\n'
        "classify,small,0.7,top-1,5,6,paper,\n"
    )
    write_table(path, with_start(read_variants(path), "detect", "large", 134.25, 1.23456))
    assert path.read_text() == (
        "stage,variant,accuracy,metric,memory_mb,load_s,source,colour\n"
        "detect,small,0.457,mAP@.5,1,2,paper,red\n"
        'detect,large,0.67300,"mAP, .5",134.2,1.235,paper,blue\n'
        "classify,small,0.7,top-1,5,6,paper,\n"
    )
