"""Speed claims as ratios against an alternative timed in the same run, alternating: one JSON line each."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "configs" / "digits.yaml"
PAIRS = 9


def main() -> None:
    sys.path.insert(0, str(ROOT))  # for the random chains of the tests
    numpy = _process("-c", "import numpy")
    _row("ipa --help ÷ import numpy", "process", _process("-m", "ipa", "--help"), numpy)
    solve = _process("-m", "ipa", "solve", str(CONFIG), "--rate", "20", "--dry-run")
    _row("ipa solve --dry-run ÷ import numpy", "process", solve, numpy)
    _row("milp ÷ exhaustive on the digits pipeline", "decision", *_policies())
    for stages, variants in ((3, 5), (5, 10), (10, 10)):
        name = f"label ÷ milp on random chains of {stages} stages × {variants} variants × 7 batches"
        _row(name, "decision", *_chains(stages, variants))


def _process(*words: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    return run


def _policies() -> tuple[Callable[[], object], Callable[[], object]]:
    from ipa.adapters.files import load_config
    from ipa.options import price
    from ipa.policy import exhaustive, milp

    pipeline = load_config(CONFIG).pipeline
    return lambda: milp.solve(price(pipeline, 20.0)), lambda: exhaustive.solve(price(pipeline, 20.0))


def _chains(stages: int, variants: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Both walk through the same problems, so each pair is of one problem."""
    from ipa.options import price
    from ipa.policy import label, milp
    from tests.pipelines import random_chain

    chains = [random_chain(seed, stages, variants, tightness=(0.5, 1, 2)[seed % 3]) for seed in range(PAIRS + 1)]
    problems = [price(chain, 20.0) for chain in chains]
    mine, theirs = iter(problems), iter(problems)
    return lambda: label.solve(next(mine)), lambda: milp.solve(next(theirs))


def _row(name: str, kind: str, subject: Callable[[], object], alternative: Callable[[], object]) -> None:
    """The median of the ratios pair by pair: it holds although the machine's speed drifts."""
    subject()
    alternative()
    pairs = [(_seconds(subject), _seconds(alternative)) for _ in range(PAIRS)]
    line = {
        "name": name,
        "kind": kind,
        "ratio": round(statistics.median(a / b for a, b in pairs), 3),
        "seconds": round(statistics.median(a for a, _ in pairs), 4),
        "alternative_seconds": round(statistics.median(b for _, b in pairs), 4),
        "pairs": PAIRS,
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _seconds(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main()
