"""The simulator against the real router, with the same requests at the same times: sleeping replicas, or digits.

`explained` is the simulation with what the router's own metrics say of the run: how much longer than profiled the
replicas took for a batch, and what a request spends outside all stages; `left` is the error that remains then.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from ipa.report.console import stderr_console, stdout_console

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # for what the tests share with this script

from tests.simulation.reality import Case, Compared, Row, compared, overhead, served  # noqa: E402
from tests.simulation.rehearsals import digits, rehearsals  # noqa: E402


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="ipa-validate-") as name:
        folder = Path(name)
        # A state folder of its own, so that a pipeline of the same name that runs already is left alone.
        os.environ["XDG_RUNTIME_DIR"] = name
        cases = rehearsals(folder) if arguments.models == "sleep" else digits(folder, ROOT / "configs" / "digits.yaml")
        runs = list(_validated(cases, folder, arguments))
    if arguments.output == "json":
        print(json.dumps([_document(run) for run in runs]))
        return
    console = stdout_console()
    console.print(_table(runs))
    for run in runs:
        console.print(_causes(run), soft_wrap=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", choices=("sleep", "digits"), default="sleep")
    parser.add_argument("--seconds", type=int, default=60, help="of each run")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.3, 0.6, 0.9], help="shares of the capacity")
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    return parser.parse_args()


def _validated(cases: list[Case], folder: Path, arguments: argparse.Namespace) -> Iterator[Compared]:
    console = stderr_console()
    for case in cases:
        with served(case, folder) as running:
            light = overhead(running, min(arguments.seconds, 10))
            extra = ", ".join(f"{1e3 * extra_s:.1f} ms a batch of {stage}" for stage, extra_s in light.extra_s.items())
            console.print(f"{case.name}: when nothing waits, on top {extra}, {1e3 * light.outside_s:.1f} ms outside")
            for load in arguments.loads:
                yield compared(case, running, light, load, arguments.seconds, arguments.seed)


def _document(run: Compared) -> dict[str, object]:
    rows = [{**asdict(row), "error": row.error, "unexplained": row.unexplained} for row in run.rows]
    return {**asdict(run), "rows": rows}


def _table(runs: list[Compared]) -> Table:
    table = Table()
    for name in ("plan", "load", "quantity", "simulated", "real", "error", "explained", "left"):
        table.add_column(name, justify="left" if name in ("plan", "quantity") else "right")
    for run in runs:
        for row in run.rows:
            cells = _cells(row)
            table.add_row(run.case, f"{run.load:.0%}", row.quantity, *cells, end_section=row is run.rows[-1])
    return table


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    if row.quantity == "dropped":
        shares = [f"{share:.2%}" for share in (row.simulated, row.real, row.explained)]
        return shares[0], shares[1], f"{100 * row.error:+.2f} pp", shares[2], f"{100 * row.unexplained:+.2f} pp"
    times = [f"{1e3 * seconds:.1f} ms" for seconds in (row.simulated, row.real, row.explained)]
    return times[0], times[1], f"{row.error:+.1%}", times[2], f"{row.unexplained:+.1%}"


def _causes(run: Compared) -> str:
    busy = ", ".join(f"{who} {cores:.2f}" for who, cores in run.busy.items())
    extra = ", ".join(f"{1e3 * extra_s:+.1f} ms a batch of {stage}" for stage, extra_s in run.overhead.extra_s.items())
    where = f"{extra}, {1e3 * run.overhead.outside_s:+.1f} ms outside"
    sent = f"sent {1e3 * run.send_lag_p99_s:.1f} ms late (p99)"
    return f"{run.case} at {run.load:.0%}, {run.requests} requests: {where}; cores busy: {busy}; {sent}"


if __name__ == "__main__":
    main()
