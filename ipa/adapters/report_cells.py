"""Values of recorded documents, checked one by one: an error names the file, the key, the value and the rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ipa.domain import Allocation, Change, Plan
from ipa.errors import UsageError

LARGEST = 1e11
"""No time (year 5138), count or rate of a run is larger; what is would only break the drawing."""


def parse(text: str, where: str) -> Cells:
    """A JSON object. Raises UsageError; NaN and Infinity, which JSON does not have, are null."""
    try:
        found = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: is not JSON: {error}") from error
    return cells(found, where)


def cells(value: object, where: str) -> Cells:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: {_shown(value)} is not an object")
    return Cells(value, where)


@dataclass(frozen=True, slots=True)
class Cells:
    """An object read from `where`. A missing key is like null: unknown."""

    values: Mapping[str, Any]
    where: str

    def number(self, key: str, least: float = -LARGEST) -> float | None:
        """None for null, and for what JSON writers make of NaN and Infinity."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, "is not a number")
        if isinstance(value, float) and not isfinite(value):
            return None
        if not least <= value <= LARGEST:
            raise self.wrong(key, f"must be between {least:g} and {LARGEST:g}")
        return float(value)

    def amount(self, key: str) -> float | None:
        return self.number(key, 0.0)

    def count(self, key: str) -> int:
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
            raise self.wrong(key, f"is not a whole number between 0 and {LARGEST:g}")
        return value

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "is not a text")
        return value

    def objects(self, key: str) -> list[Cells]:
        """[] for null."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list")
        return [cells(item, f"{self.where}: {key}[{i}]") for i, item in enumerate(value)]

    def object(self, key: str) -> Cells | None:
        value = self.values.get(key)
        return None if value is None else cells(value, f"{self.where}: {key}")

    def plan(self, key: str) -> Plan | None:
        """None for null and for no rows."""
        return Plan(tuple(row.allocation() for row in self.objects(key))) if self.values.get(key) else None

    def change(self) -> Change:
        before, after = self.object("before"), self.object("after")
        return Change(
            self.text("stage"), before.allocation() if before else None, after.allocation() if after else None
        )

    def allocation(self) -> Allocation:
        stage, variant, hardware = (self.text(key) for key in ("stage", "variant", "hardware"))
        cores, batch, replicas = (self.count(key) for key in ("cores", "batch", "replicas"))
        return Allocation(stage, variant, hardware, cores, batch, replicas)

    def wrong(self, key: str, rule: str) -> UsageError:
        return UsageError(f"{self.where}: {key}: {_shown(self.values.get(key))} {rule}")


def _shown(value: object) -> str:
    """A value in an error message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
