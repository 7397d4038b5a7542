"""The seconds of a load on the disk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ipa.adapters.load_files import check_per_second_file, write_per_second
from ipa.errors import UsageError
from ipa.workload.per_second import Second

ROWS = [
    Second(0, 2, 1, 1, 0, 1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.001),
    Second(1, 0, 0, 0, 0, 0, None, None, None, None, None, None),
]


def test_a_row_a_second_with_empty_cells_for_what_is_unknown(tmp_path: Path) -> None:
    write_per_second(tmp_path / "s.csv", ROWS)
    write_per_second(tmp_path / "s.csv", ROWS)  # the result of the load before is replaced
    with (tmp_path / "s.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["second"], first["sent"], first["late"], first["p99_s"]) == ("0", "2", "1", "0.25")
    assert (second["second"], second["answered"], second["p50_s"], second["send_lag_p99_s"]) == ("1", "0", "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


@pytest.mark.parametrize(("name", "rule"), [("s.json", "is not .csv"), ("none/s.csv", "a folder that exists")])
def test_a_file_that_cannot_be_written_is_refused_before_the_load(tmp_path: Path, name: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        check_per_second_file(tmp_path / name)
