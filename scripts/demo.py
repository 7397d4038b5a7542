"""The main job on this machine: serve the digits pipeline, load it low → peak → low, and let ipa adapt it.

Every number comes from the commands a user would run (`ipa adapt`, `ipa serve`, `ipa load`); this script only starts
them, waits, and lays their answers side by side. With --fast the two static plans are computed, not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from ipa.adapters.files import load_config
from ipa.adapters.trace_files import load_trace
from ipa.domain import Config, Plan, Variant
from ipa.evaluation import Evaluation
from ipa.options import price
from ipa.policy import POLICIES
from ipa.report.console import stdout_console
from ipa.workload.trace import arrival_times, counts_per_second

CONFIG = Path(__file__).parent.parent / "configs" / "digits.yaml"
LOW_RPS, RISE_RPS, PEAK_RPS = 6, 25, 60
SECONDS = {"full": (8, 14, 14, 26), "fast": (3, 13, 10, 8)}  # low, rise, peak, low
START_TIMEOUT_S = 60.0
console = stdout_console()


@dataclass(frozen=True)
class Row:
    """One line of the result; `kind` is measured or computed, and what was not measured is None."""

    name: str
    kind: str
    slo_share: float | None
    accuracy: float | None
    core_seconds: float | None
    load: dict[str, Any]


def main() -> int:
    arguments = _arguments()
    seconds = SECONDS["fast" if arguments.fast else "full"]
    rates_rps = (LOW_RPS, RISE_RPS, PEAK_RPS, LOW_RPS)
    trace = "+".join(f"poisson:{r}x{s}s" for r, s in zip(rates_rps, seconds, strict=True))
    config = load_config(CONFIG)
    console.print(f"load: {trace}")
    with tempfile.TemporaryDirectory(prefix="ipa-demo-") as folder:
        # A state folder of its own, so that a pipeline of the same name that runs already is left alone.
        os.environ["XDG_RUNTIME_DIR"] = folder
        rows = [_adaptive(Path(folder), trace)]
        for name, best in (("cheapest", _cheapest(config)), ("most accurate", _most_accurate(config))):
            rows.append(_computed(config, name, best, trace) if arguments.fast else _static(folder, name, best, trace))
    _print(rows)
    return _verdict(rows[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="a shorter trace; static plans computed, not measured")
    return parser.parse_args()


# --- the adaptive run --------------------------------------------------------------------------------------


def _adaptive(folder: Path, trace: str) -> Row:
    journal = folder / "decisions.jsonl"
    words = ["adapt", str(CONFIG), "--interval", "2s", "--rate", str(LOW_RPS), "--journal", str(journal)]
    with _running([*words, "--port", "0"], lambda: _lines(journal) > 0):
        row = _loaded("adaptive", trace)
    turns = [json.loads(line) for line in journal.read_text().splitlines()]
    changed = [turn for turn in turns if turn["outcome"] and turn["outcome"]["applied"]]
    console.print("\nwhat ipa adapt changed, and why:")
    for turn in changed:
        for change in turn["changes"]:
            console.print(f"  {turn['at'][11:19]}  {_change(change)}\n            {turn['reason']}", soft_wrap=True)
    row.load["changed"] = any(_matters(change) for turn in changed for change in turn["changes"])
    return row


def _matters(change: dict[str, Any]) -> bool:
    """Whether a change is one of variant or batch, not of replicas alone."""
    before, after = change["before"], change["after"]
    return bool(before and after and (before["variant"], before["batch"]) != (after["variant"], after["batch"]))


def _change(change: dict[str, Any]) -> str:
    def words(row: dict[str, Any] | None) -> str:
        return f"{row['replicas']}×{row['variant']} at batch {row['batch']}" if row else "nothing"

    return f"{change['stage']}: {words(change['before'])} → {words(change['after'])}"


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


# --- the static plans --------------------------------------------------------------------------------------


def _cheapest(config: Config) -> Evaluation:
    """The lightest variant of each stage, sized for the peak."""
    return _fixed(config, lambda variants: variants[0], PEAK_RPS)


def _most_accurate(config: Config) -> Evaluation:
    """The heaviest variant of each stage, as much of it as fits the limits: sized for the low rate."""
    return _fixed(config, lambda variants: variants[-1], LOW_RPS)


def _fixed(config: Config, pick: Callable[[list[Variant]], Variant], rate_rps: float) -> Evaluation:
    """The best plan with one variant a stage, picked from the stage's variants from light to heavy."""
    stages = tuple(
        replace(stage, variants=(pick(sorted(stage.variants, key=lambda v: v.accuracy)),))
        for stage in config.pipeline.stages
    )
    best = POLICIES["milp"](price(replace(config.pipeline, stages=stages), rate_rps)).evaluation
    assert best is not None, "the demo's config has a plan for both"
    return best


def _static(folder: str, name: str, best: Evaluation, trace: str) -> Row:
    file = Path(folder) / "plan.json"
    file.write_text(json.dumps([asdict(a) for a in best.plan.allocations]))
    state = Path(folder) / "ipa" / "digits" / "state.json"
    with _running(["serve", str(CONFIG), "--plan", str(file), "--port", "0"], lambda: _is_ready(state)):
        return _loaded(name, trace)


def _is_ready(state: Path) -> bool:
    import httpx

    if not state.exists():
        return False
    url = json.loads(state.read_text())["url"]
    return httpx.get(f"{url}/v2/health/ready", trust_env=False).status_code == 200


def _computed(config: Config, name: str, best: Evaluation, trace: str) -> Row:
    """An upper bound from the profile: what exceeds the plan's capacity in a second misses the SLO."""
    expanded = load_trace(trace)
    counts = counts_per_second(arrival_times(expanded, 0), expanded.duration_s)
    capacity_rps = _capacity_rps(config, best.plan)
    carried = sum(min(int(count), capacity_rps) for count in counts) / max(1, int(counts.sum()))
    return Row(name, "computed", carried, best.accuracy, best.plan.total_cores * expanded.duration_s, {})


def _capacity_rps(config: Config, plan: Plan) -> float:
    rates = {(m.stage, m.variant, m.cores, m.batch): m.rate_rps for m in config.pipeline.measurements}
    return min(a.replicas * rates[a.stage, a.variant, a.cores, a.batch] for a in plan.allocations)


# --- running commands --------------------------------------------------------------------------------------


@contextmanager
def _running(words: list[str], ready: Callable[[], bool]) -> Iterator[None]:
    """`ipa WORDS` beside what happens inside; ^C as a user would give it at the end."""
    command = [sys.executable, "-m", "ipa", *words]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline_s:
                    said.seek(0)
                    raise SystemExit(f"ipa {words[0]} did not start:\n{said.read().decode()}")
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _loaded(name: str, trace: str) -> Row:
    """`ipa load` against what runs; it follows the running pipeline's name."""
    console.print(f"\n{name}: loading …")
    words = ["load", str(CONFIG), "--trace", trace, "--output", "json"]
    done = subprocess.run([sys.executable, "-m", "ipa", *words], stdout=subprocess.PIPE, text=True, check=True)
    load = json.loads(done.stdout)
    core_seconds = None if load["core_hours"] is None else load["core_hours"] * 3600
    return Row(name, "measured", load["slo_share"], load["accuracy"], core_seconds, load)


# --- the result --------------------------------------------------------------------------------------------


def _print(rows: list[Row]) -> None:
    table = Table(title="\none load, three ways to serve it", title_justify="left")
    for heading in (
        "",
        "",
        "sent",
        "answered",
        "dropped",
        "failed",
        "p50 ms",
        "p99 ms",
        "in SLO",
        "accuracy",
        "core-s",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in rows:
        counts = [str(row.load.get(key, "–")) for key in ("sent", "answered", "dropped", "failed")]
        times = [f"{1e3 * row.load[key]:.1f}" if row.load.get(key) else "–" for key in ("p50_s", "p99_s")]
        shares = [f"{value:.4f}" if value is not None else "–" for value in (row.slo_share, row.accuracy)]
        core_s = f"{row.core_seconds:.0f}" if row.core_seconds is not None else "–"
        table.add_row(row.name, row.kind, *counts, *times, *shares, core_s)
    console.print(table)
    if any(row.kind == "computed" for row in rows):
        console.print("computed: accuracy and capacity from the profile, no queueing; an upper bound for the SLO share")


def _verdict(adaptive: Row) -> int:
    """0 if everything sent is accounted for and the decisions changed a variant or a batch."""
    load = adaptive.load
    accounted = load["sent"] == load["answered"] + load["dropped"] + load["failed"]
    identity = (
        f"sent {load['sent']} = answered {load['answered']} + dropped {load['dropped']} + failed {load['failed']}"
    )
    console.print(f"{identity}: {'holds' if accounted else 'BROKEN'}")
    if not load["changed"]:
        console.print("no decision changed a variant or a batch")
    return 0 if accounted and load["changed"] else 1


if __name__ == "__main__":
    sys.exit(main())
