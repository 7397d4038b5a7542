"""Whatever a recording holds: a page, or one error that names the file. Never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.report_files import find, read_run
from ipa.errors import IpaError
from ipa.report.html.page import render
from tests.report.html.recordings import COLUMNS, journal_lines, totals, write_lines, write_table

LINES = journal_lines(40)
SECONDS = [
    {"second": i, "sent": 5, "answered": 4, "dropped": 1, "failed": 0, "late": 1, "p50_s": 0.1, "p99_s": 0.2 + i}
    for i in range(5)
]
numbers = st.integers() | st.floats() | st.sampled_from([0, -0.0, 1e11, 1e-300, 10**400])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def page_or_error(path: Path) -> None:
    try:
        text = render(read_run(find(str(path)), None))
    except IpaError as error:
        assert path.name in str(error)
    else:
        assert text.startswith("<!doctype html>")
        assert "nan" not in text[text.index("<body>") : text.index("<script")]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_journal_with_any_value_anywhere(data: st.DataObject) -> None:
    lines = json.loads(json.dumps(LINES))
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = data.draw(st.sampled_from(lines))
        key = data.draw(st.sampled_from(sorted(at)))
        while isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
            at = at[key]
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        at[key] = data.draw(values)
    with TemporaryDirectory() as folder:
        write_lines(Path(folder) / "j.jsonl", lines)
        page_or_error(Path(folder) / "j.jsonl")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 4), st.sampled_from(COLUMNS), numbers | st.text(max_size=6))
def test_a_second_with_any_cell(row: int, column: str, value: object) -> None:
    rows: list[dict[str, Any]] = [dict(second) for second in SECONDS]
    rows[row][column] = value
    with TemporaryDirectory() as folder:
        write_table(Path(folder) / "s.csv", rows)
        page_or_error(Path(folder) / "s.csv")


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["sent", "answered", "slo_share", "p99_s", "core_hours", "drops"]), values)
def test_totals_with_any_value(key: str, value: object) -> None:
    document = {
        **totals([{**second, "mean_s": 0.1, "p95_s": 0.1} for second in SECONDS]),
        "send_lag_p99_s": 0,
        key: value,
    }
    with TemporaryDirectory() as folder:
        (Path(folder) / "t.json").write_text(json.dumps(document))
        page_or_error(Path(folder) / "t.json")


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=80), st.sampled_from(["a.jsonl", "a.csv", "a.json"]))
def test_a_file_of_any_bytes(content: bytes, name: str) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        page_or_error(Path(folder) / name)
