"""Text → data by YAML 1.2: the same document means the same in YAML and in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipa.config import parse_yaml
from ipa.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("1e-06", 1e-6),
        ("1.0e-6", 1e-6),
        ("-2.5E+3", -2500.0),
        ("012", 12),
        ("1:30", "1:30"),
        ("off", "off"),
        ("no", "no"),
        ("true", True),
        ("600ms", "600ms"),
        ("~", None),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert parse_yaml(f"key: {text}", "f") == {"key": value}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(document=st.dictionaries(st.text(), _json), indent=st.sampled_from([None, 2, "\t"]))
def test_any_json_document_is_valid(document: dict[str, Any], indent: int | str | None) -> None:
    assert parse_yaml(json.dumps(document, indent=indent), "f") == document


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1", "'a' is given twice"),
        ('{"a": 1, "a": 2}', "document", "'a' is given twice"),
        ("a: [1, 2", "line 1", "not valid YAML"),
        ("a: !!python/object:os.system {}", "line 1", "not valid YAML"),
        ("\x00", "document", "not valid YAML"),
    ],
)
def test_broken_text_says_where(text: str, where: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "pipeline.yaml")
    (violation,) = caught.value.violations
    assert violation.where.startswith(where)
    assert rule in violation.rule
    assert str(caught.value).startswith("pipeline.yaml: 1 problem(s)")
