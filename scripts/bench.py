"""Speed claims as JSON lines, one each: `python scripts/bench.py [GROUP…]`, by default all groups."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.rows import ROOT

GROUPS = (
    "processes",
    "policies",
    "scale",
    "budget",
    "load",
    "router",
    "batching",
    "endurance",
    "simulate",
    "certify",
    "kubernetes",
    "inferline",
    "forecast",
)


def main(groups: list[str]) -> None:
    sys.path.insert(0, str(ROOT))  # for the random pipelines of the tests
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        sys.exit(f"bench: {', '.join(unknown)}: the groups are {', '.join(GROUPS)}")
    for group in groups or GROUPS:
        for row in import_module(f"benchmarks.{group}").run():
            print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
