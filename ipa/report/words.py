"""A plan in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ipa.domain import Allocation
from ipa.report.solve import words

_FIELDS = tuple(field.name for field in fields(Allocation))


def plan_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as `ipa solve` prints them → `detect 2×small (cpu, 1 core, batch 4), classify …`."""
    return ", ".join(f"{row['stage']} {words(Allocation(**{name: row[name] for name in _FIELDS}))}" for row in rows)
