"""Counts per second out of text, csv and slices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.errors import UsageError
from ipa.workload.counts import from_csv, from_text, select
from ipa.workload.expression import FileTerm


@pytest.mark.parametrize("text", ["3 0 5", "3\n0\n5\n", " 3\t0\r\n5 ", "3.0 0 5e0"])
def test_text(text: str) -> None:
    assert from_text(text, "t").tolist() == [3, 0, 5]


@pytest.mark.parametrize(
    "text",
    [
        "3\n0\n5\n",
        "3,0,5\n",
        "requests\n3\n0\n5\n",
        "anything\n3\n0\n5\n",
        "second, Count\n0, 3\n1, 0\n\n2, 5\n",
    ],
)
def test_csv(text: str) -> None:
    assert from_csv(text, "t").tolist() == [3, 0, 5]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "holds no counts"),
        (" \n ", "holds no counts"),
        ("1 -2 3", "second 1: count -2 must be a whole number"),
        ("1 2 nan", "second 2: count nan must be a whole number"),
        ("1.5", "second 0: count 1.5 must be a whole number"),
        ("inf", "must be a whole number"),
        ("1e99", "must be a whole number"),
        ("1 two", "second 1: 'two' is not a number"),
    ],
)
def test_bad_text_is_named(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        from_text(text, "t")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "holds no counts"),
        ("count\n", "holds no counts"),
        ("0,3\n1,5\n", "several columns need a header"),
        ("second,load\n0,3\n", "must be named count or counts or requests"),
        ("count,requests\n0,3\n", "exactly one column"),
        ("second,count\n0,3\n1\n", "second 1: '' is not a number"),
    ],
)
def test_bad_csv_is_named(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        from_csv(text, "t")


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=50),
    st.integers(0, 49),
    st.integers(1, 60),
    st.integers(1, 20),
)
def test_a_slice_is_pythons_slice_each_count_divided(counts: list[int], start: int, seconds: int, damping: int) -> None:
    term = FileTerm("f", start, start + seconds, damping, "here")
    if start + seconds > len(counts):
        with pytest.raises(UsageError, match=f"here: END {start + seconds} is beyond the {len(counts)} seconds"):
            select(np.array(counts), term)
    else:
        expected = [count // damping for count in counts[start : start + seconds]]
        assert select(np.array(counts), term).tolist() == expected
