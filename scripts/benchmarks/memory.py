"""Resident memory after 1,000 and after 10,000 decisions, in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FIRST, LAST = 1_000, 10_000


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from ipa.options import price
    from ipa.policy import auto
    from tests.pipelines import random_chain

    problems = [price(random_chain(seed, 3, 5), 20.0) for seed in range(10)]
    resident = {}
    for i in range(1, LAST + 1):
        auto.solve(problems[i % len(problems)])
        if i in (FIRST, LAST):
            resident[i] = _resident_mib()
    row = {
        "name": f"memory after {LAST:,} ÷ after {FIRST:,} decisions on 3 stages × 5 variants",
        "kind": "memory",
        "ratio": round(resident[LAST] / resident[FIRST], 4),
        "mib": round(resident[LAST], 1),
    }
    print(json.dumps(row, ensure_ascii=False))


def _resident_mib() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


if __name__ == "__main__":
    main()
