"""The IPA paper's evaluation in simulation: tables, figures and what differs from its claims, into out/paper."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from paper_evaluation import document
from paper_evaluation.cases import PIPELINES, START_S
from paper_evaluation.document import Scope
from paper_evaluation.runs import run_all
from paper_evaluation.tables import for_terminal
from paper_evaluation.workloads import VARIABLE, WORKLOADS, loads

from ipa.durations import duration_s
from ipa.errors import IpaError
from ipa.report.console import stderr_console, stdout_console

SHOWN = ("summary", "predictors-summary", "claims")


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    try:
        _evaluate(arguments)
    except IpaError as error:
        print(f"paper: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _evaluate(arguments: argparse.Namespace) -> None:
    began_s = time.perf_counter()
    scope = Scope(
        pipelines=tuple(dict.fromkeys(arguments.pipeline or PIPELINES)),
        workloads=tuple(dict.fromkeys(arguments.workload or WORKLOADS)),
        start_s=duration_s("--start", arguments.start),
        seed=arguments.seed,
        format=arguments.format,
    )
    document.check_out(arguments.out)
    load = loads(os.environ, scope.workloads, arguments.seconds)
    chosen = document.studies(scope)
    console = stderr_console()
    outcomes = run_all(chosen.cases, load.traces, scope.seed, arguments.workers, console.print)
    found = document.tables(scope, chosen, outcomes)
    document.write(arguments.out, scope, load, chosen, found, outcomes)
    for table in found:
        if table.name in SHOWN:
            stdout_console().print(for_terminal(table))
    took_s = time.perf_counter() - began_s
    stdout_console().print(f"{load.source}; {len(outcomes)} runs in {took_s:.0f} s: {arguments.out}/evaluation.md")


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"{VARIABLE} names the trace; without it: stand-ins.")
    parser.add_argument("--out", type=Path, default=Path("out") / "paper", help="folder to write, default out/paper")
    parser.add_argument("--pipeline", action="append", choices=PIPELINES, help="only this one (repeatable)")
    parser.add_argument("--workload", action="append", choices=tuple(WORKLOADS), help="only this one (repeatable)")
    parser.add_argument("--seconds", type=_positive, help="only so many first seconds of each workload")
    parser.add_argument("--start", default=f"{START_S:g}s", help="how long a replica takes to start, default 10s")
    parser.add_argument("--seed", type=_positive_or_0, default=0, help="of where requests fall within their second")
    parser.add_argument("--format", choices=("png", "svg"), default="png", help="of the figures")
    parser.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="processes, default one a core")
    return parser.parse_args(words)


def _positive_or_0(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if _positive_or_0(text) == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
