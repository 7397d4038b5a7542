"""Whole processes, against a Python that only imports numpy."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rows import ROOT, Row, process, repeated
from ipa.adapters.files import load_config
from ipa.errors import ConfigError


def run() -> Iterator[Row]:
    numpy = process("-c", "import numpy")
    yield repeated("ipa --help ÷ import numpy", "process", process("-m", "ipa", "--help"), numpy)
    for name in ("digits", "video"):
        config, row = ROOT / "configs" / f"{name}.yaml", f"ipa solve {name} --dry-run ÷ import numpy"
        try:
            load_config(config)
        except ConfigError as error:  # a config may be ahead of what is built
            yield {"name": row, "kind": "skipped", "reason": str(error)}
            continue
        yield repeated(row, "process", process("-m", "ipa", "solve", str(config), "--rate", "20", "--dry-run"), numpy)
