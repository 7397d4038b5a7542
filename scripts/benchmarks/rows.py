"""What a benchmark reports: a ratio pair by pair, or figures; and how work is timed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
Row = dict[str, Any]
Work = Callable[[], object]


def ratio(name: str, kind: str, pairs: Sequence[tuple[float, float]]) -> Row:
    """Of (subject, alternative) in seconds: the median of the ratios holds although the machine's speed drifts."""
    return {
        "name": name,
        "kind": kind,
        "ratio": round(statistics.median(a / b for a, b in pairs), 4),
        "seconds": _short(statistics.median(a for a, _ in pairs)),
        "alternative_seconds": _short(statistics.median(b for _, b in pairs)),
        "pairs": len(pairs),
    }


def repeated(name: str, kind: str, subject: Work, alternative: Work, pairs: int = 9) -> Row:
    """Both once to warm up, then in turns."""
    subject()
    alternative()
    return ratio(name, kind, [(seconds(subject), seconds(alternative)) for _ in range(pairs)])


def seconds(work: Work) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def process(*words: str) -> Work:
    """Python with these words, from start to end."""

    def run() -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)

    return run


def _short(seconds: float) -> float:
    """Four digits, however small."""
    return float(f"{seconds:.4g}")
