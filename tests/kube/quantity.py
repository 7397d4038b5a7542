"""Quantities: `500m`, `2`, `1Gi`.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tests.kube.resources import Object

_SUFFIXES = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)}
_SUFFIXES |= {letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", start=1)}
_SUFFIXES |= {f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)}


def parse(value: Any) -> Fraction:
    text = str(value)
    number = text.rstrip("numkKMGTPEi")
    return Fraction(number) * _SUFFIXES[text[len(number) :]]


def text(amount: Fraction) -> str:
    """Canonical enough: whole numbers as they are (bytes in Mi or Gi where even), parts in thousandths."""
    if amount.denominator != 1:
        return f"{int(amount * 1000)}m"
    for suffix in ("Gi", "Mi"):
        if amount and amount % _SUFFIXES[suffix] == 0:
            return f"{amount / _SUFFIXES[suffix]}{suffix}"
    return str(amount)


def total(containers: Iterable[Object], kind: str, name: str) -> Fraction:
    """The sum over containers of `resources.{requests or limits}.{name}`."""
    found = ((c.get("resources") or {}).get(kind) or {} for c in containers)
    return sum((parse(amounts[name]) for amounts in found if name in amounts), Fraction(0))


def cores(pod: Object) -> Fraction:
    return total(pod["spec"].get("containers") or [], "requests", "cpu")
