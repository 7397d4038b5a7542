"""Whole processes, against a Python that only imports numpy."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rows import ROOT, Row, process, repeated


def run() -> Iterator[Row]:
    numpy = process("-c", "import numpy")
    yield repeated("ipa --help ÷ import numpy", "process", process("-m", "ipa", "--help"), numpy)
    for name in ("digits", "video"):
        config = ROOT / "configs" / f"{name}.yaml"
        if config.exists():
            solve = process("-m", "ipa", "solve", str(config), "--rate", "20", "--dry-run")
            yield repeated(f"ipa solve {name} --dry-run ÷ import numpy", "process", solve, numpy)
