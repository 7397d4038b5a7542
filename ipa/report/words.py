"""Allocations and plans in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ipa.domain import Allocation

_FIELDS = tuple(field.name for field in fields(Allocation))


def words(allocation: Allocation) -> str:
    a = allocation
    return f"{a.replicas}×{a.variant} ({a.hardware}, {a.cores} core{'s' * (a.cores > 1)}, batch {a.batch})"


def allocation_of(row: Mapping[str, Any]) -> Allocation:
    """The allocation in a row that `ipa solve` prints, which may hold more."""
    return Allocation(**{name: row[name] for name in _FIELDS})


def plan_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as `ipa solve` prints them → `detect 2×small (cpu, 1 core, batch 4), classify …`."""
    return ", ".join(f"{row['stage']} {words(allocation_of(row))}" for row in rows)
